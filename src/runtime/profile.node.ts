// How long each kernel takes: ONNX Runtime's own profile, which it writes into a file.
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RuntimeFailure } from '../base/index.ts'
import { median } from '../math/index.ts'
import { withTemporary } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import { type Runtime, type Values, withSession } from './session.ts'

/** One kernel of the optimised graph. */
export interface KernelTime {
  /** Its node's name there: that of the model's node, or one that ONNX Runtime made of it. */
  readonly name: string
  readonly op: string
  /** Median of the counted runs. */
  readonly milliseconds: number
}

export interface ProfileOptions {
  readonly warmups: number
  readonly rounds: number
  readonly label?: string
}

/** Runs a model on the same feeds again and again, at the level that deployment uses, and reads the time of every kernel. */
export async function profileKernels(
  runtime: Runtime,
  model: Model,
  feeds: Values,
  { warmups, rounds, label }: ProfileOptions = { warmups: 3, rounds: 20 },
): Promise<readonly KernelTime[]> {
  return withTemporary(await mkdtemp(join(tmpdir(), 'onnxpress-')), async (folder) => {
    const options = { profilePrefix: join(folder, 'profile'), ...(label === undefined ? {} : { label }) }
    await withSession(runtime, model, options, async (session) => {
      for (let i = 0; i < warmups + rounds; i++) await session.run(feeds)
    })
    const [file] = (await readdir(folder)).filter((name) => name.endsWith('.json'))
    if (file === undefined) throw new RuntimeFailure('ONNX Runtime wrote no profile')
    return kernelsOf(JSON.parse(await readFile(join(folder, file), 'utf8')), warmups)
  })
}

interface TraceEvent {
  readonly cat?: string
  readonly name?: string
  /** Microseconds. */
  readonly dur?: number
  readonly args?: { readonly op_name?: string }
}

const suffix = '_kernel_time'

function kernelsOf(events: readonly TraceEvent[], warmups: number): KernelTime[] {
  const times = new Map<string, { readonly op: string; readonly list: number[] }>()
  for (const { cat, name = '', dur = 0, args } of events) {
    if (cat !== 'Node' || !name.endsWith(suffix)) continue
    const key = name.slice(0, -suffix.length)
    const entry = times.get(key) ?? { op: args?.op_name ?? '', list: [] }
    entry.list.push(dur / 1000)
    times.set(key, entry)
  }
  return [...times].map(([name, { op, list }]) => ({ name, op, milliseconds: median(list.slice(warmups)) }))
}
