// Values on disk while memory is short: one file a value in a temporary folder, removed at the end.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeArray, type TensorValue } from '../base/index.ts'

/** A place for values, by key. */
export interface SpillFolder {
  readonly write: (key: string, value: TensorValue) => Promise<void>
  readonly read: (key: string) => Promise<TensorValue>
  readonly remove: (key: string) => Promise<void>
}

/** Hands a folder for values to `work` and removes it whatever happens; the folder is made at the first value. */
export async function withSpillFolder<T>(work: (spill: SpillFolder) => Promise<T>): Promise<T> {
  let folder: Promise<string> | undefined
  const known = new Map<string, { path: string; value: Omit<TensorValue, 'data'> }>()
  let next = 0
  try {
    return await work({
      write: async (key, { data, dtype, dims }) => {
        folder ??= mkdtemp(join(tmpdir(), 'onnxpress-'))
        const path = join(await folder, String(next++))
        await writeFile(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        known.set(key, { path, value: { dtype, dims } })
      },
      read: async (key) => {
        const entry = known.get(key)
        if (!entry) throw new Error(`there is no value "${key}" on disk`)
        const bytes = await readFile(entry.path)
        const data = makeArray(entry.value.dtype, 0)
        const aligned = new Uint8Array(bytes)
        const View = data.constructor as new (buffer: ArrayBuffer) => TensorValue['data']
        return { ...entry.value, data: new View(aligned.buffer) }
      },
      remove: async (key) => {
        const entry = known.get(key)
        known.delete(key)
        if (entry) await rm(entry.path, { force: true })
      },
    })
  } finally {
    if (folder) await rm(await folder, { recursive: true, force: true })
  }
}
