// A Python peer as a process: the same samples on disk, one script a peer (see inputs.py), its file or the reason why there is none.
import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { concatValues, InputError, type TensorValue } from '../../src/base/index.ts'
import { type Dataset, readSamples } from '../../src/data/index.ts'

const python = process.env['PYTHON'] ?? 'python3'

/** What a peer did: a file when `made`, and what it said about it, or why there is no file. */
export interface PeerResult {
  readonly made: boolean
  readonly note?: string
}

/** Package → version, of those that this Python has; empty when there is no Python. */
export function peerVersions(packages: readonly string[]): Readonly<Record<string, string>> {
  try {
    const text = execFileSync(python, [join(import.meta.dirname, 'versions.py'), ...packages], { encoding: 'utf8' })
    return JSON.parse(text) as Record<string, string>
  } catch {
    return {}
  }
}

/** Writes the samples as an .npy file a model input; returns the words INPUT=FILE that the scripts take. */
export async function writeSamples(dataset: Dataset, chosen: readonly number[], folder: string): Promise<string[]> {
  const rows = new Map<string, TensorValue[]>()
  for await (const sample of readSamples(dataset, chosen))
    for (const [name, value] of Object.entries(sample.inputs)) rows.set(name, [...(rows.get(name) ?? []), value])
  return [...rows].map(([name, values], index) => {
    const path = join(folder, `input${index}.npy`)
    writeFileSync(path, npy(concatValues(values)))
    return `${name}=${path}`
  })
}

/** Runs one peer on samples that `writeSamples` wrote. A peer that fails is a result, not an error. */
export function runPeer(
  script: string,
  form: string,
  model: string,
  output: string,
  samples: readonly string[],
  folder: string,
): PeerResult {
  rmSync(output, { force: true })
  try {
    const said = execFileSync(python, [join(import.meta.dirname, script), resolve(model), output, form, ...samples], {
      stdio: 'pipe',
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    const note = /^note: (.*)$/m.exec(said)?.[1]
    return { made: existsSync(output), ...(note === undefined ? {} : { note }) }
  } catch (error) {
    return { made: false, note: `fails: ${lastError(error)}` }
  }
}

function lastError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const lines = error.message.split('\n').filter((line) => /error/i.test(line))
  return (lines.at(-1) ?? error.message).slice(0, 160)
}

const kinds: Readonly<Record<string, string>> = { float32: '<f4', int32: '<i4', int64: '<i8', uint8: '|u1' }

/** A .npy file, version 1. */
function npy({ dtype, dims, data }: TensorValue): Uint8Array {
  const kind = kinds[dtype]
  if (!kind)
    throw new InputError(`cannot hand samples of ${dtype} to the peers; they get ${Object.keys(kinds).join(', ')}`)
  const text = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`
  const length = header.length
  return Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]),
    Buffer.from(header, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ])
}
