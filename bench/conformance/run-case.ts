// What is asked of one backend test: read and write keep it, the default rewrites keep its function, its layers can be quantised.
import { messageOf, OnnxpressError, type TensorValue } from '../../src/base/index.ts'
import type { Dataset } from '../../src/data/index.ts'
import { layersOf, type Model, readModel, writeModel } from '../../src/onnx/index.ts'
import { calibrationSamples, parseRecipe, quantizeModel } from '../../src/pipeline/index.ts'
import { applyRewrites, passes } from '../../src/rewrite/index.ts'
import { type Runtime, type Values, withSession } from '../../src/runtime/index.ts'
import type { TestCase } from './material.ts'

/**
 * same: as it should be. refused: a sentence instead of a result. skipped: ONNX Runtime does not run the test itself.
 * different, failed: what must not be. `crashed` and `hung` are found by whoever watches the process.
 */
export type Outcome = 'same' | 'refused' | 'skipped' | 'different' | 'failed' | 'crashed' | 'hung'
export const steps = ['write', 'rewrite', 'quantize'] as const
export type Step = (typeof steps)[number]

export interface Row {
  readonly step: Step
  readonly outcome: Outcome
  /** Why, in a sentence; for rewrites also what was reverted. */
  readonly note?: string
  /** The written model, for other programs to check. */
  readonly written?: Uint8Array
}

/** How far an output may be from the original's, relative to it, and to the largest of the tensor where it is nearly 0. */
const RELATIVE = 1e-4
const OF_LARGEST = 1e-6

/** Asks all of one case; `effort` is that of quantisation. */
export async function runCase(
  runtime: Runtime,
  { bytes, feeds }: TestCase,
  effort: 'fast' | 'default' = 'fast',
): Promise<Row[]> {
  const original = await outputsOf(runtime, bytes, feeds)
  const rows = [await readAndWrite(runtime, bytes, feeds, original)]
  if (typeof original === 'string') return [...rows, { step: 'rewrite', outcome: 'skipped', note: original }]
  if (typeof feeds === 'string') return rows
  const again = await outputsOf(runtime, bytes, feeds)
  if (typeof again === 'string' || !equalBytes(original, again))
    return [...rows, { step: 'rewrite', outcome: 'skipped', note: 'it gives something else each time' }]
  const rewritten = await rewrite(runtime, bytes, feeds, original)
  rows.push(rewritten.row)
  if (rewritten.model && layersOf(rewritten.model).length > 0)
    rows.push(await quantize(runtime, bytes, feeds, original, effort))
  return rows
}

async function outputsOf(
  runtime: Runtime,
  model: Model | Uint8Array,
  feeds: Values | string,
): Promise<Values | string> {
  try {
    return await withSession(runtime, model, { threads: 1 }, async (session) =>
      typeof feeds === 'string' ? {} : session.run(feeds),
    )
  } catch (error) {
    return messageOf(error)
  }
}

/** Reading and writing again: the same bytes the second time, the same outputs or the same message from ONNX Runtime. */
async function readAndWrite(
  runtime: Runtime,
  bytes: Uint8Array,
  feeds: Values | string,
  original: Values | string,
): Promise<Row> {
  const step = 'write'
  let written: Uint8Array
  try {
    written = writeModel(readModel(bytes))
    if (Buffer.compare(written, writeModel(readModel(written))) !== 0)
      return { step, outcome: 'different', note: 'written twice it gives other bytes' }
  } catch (error) {
    return { step, ...refusal(error) }
  }
  const outputs = await outputsOf(runtime, written, feeds)
  const same =
    typeof original === 'string' || typeof outputs === 'string' ? original === outputs : equalBytes(original, outputs)
  if (same) return { step, outcome: 'same', written }
  const note = typeof outputs === 'string' ? outputs : 'other outputs'
  return { step, outcome: 'different', note: typeof original === 'string' ? `${note} (before: ${original})` : note }
}

async function rewrite(
  runtime: Runtime,
  bytes: Uint8Array,
  feeds: Values,
  original: Values,
): Promise<{ readonly row: Row; readonly model?: Model }> {
  const step = 'rewrite'
  try {
    const { model, applied } = await applyRewrites(runtime, { model: readModel(bytes), feeds }, passes)
    const written = writeModel(model)
    const outputs = await outputsOf(runtime, written, feeds)
    const wrong = typeof outputs === 'string' ? outputs : difference(original, outputs)
    if (wrong !== undefined) return { row: { step, outcome: 'different', note: wrong }, model }
    const undone = applied.filter(({ refused }) => refused !== undefined)
    const note = undone.map(({ name, refused }) => `${name} reverted: ${refused}`).join('; ')
    return { row: { step, outcome: 'same', written, ...(note === '' ? {} : { note }) }, model }
  } catch (error) {
    return { row: { step, ...refusal(error) } }
  }
}

/** Quantises on the test's own inputs. ONNX Runtime must load the file and give the outputs their shapes. */
async function quantize(
  runtime: Runtime,
  bytes: Uint8Array,
  feeds: Values,
  original: Values,
  effort: 'fast' | 'default',
): Promise<Row> {
  const step = 'quantize'
  const recipe = parseRecipe('quantize', { model: 'the model', data: 'its own inputs', effort, samples: 1 })
  const dataset: Dataset = {
    name: 'its own inputs',
    size: 1,
    hasLabels: false,
    notes: [],
    id: String,
    sample: async () => ({ id: '0', inputs: feeds }),
  }
  let written: Uint8Array | undefined
  try {
    await quantizeModel(runtime, {
      recipe,
      output: 'out.onnx',
      material: {
        original: readModel(bytes),
        samples: calibrationSamples(recipe, dataset, {}),
        inputs: new Map(),
        stored: undefined,
      },
      host: {
        scoring: async () => ({ dataset, indices: [0], note: 'scored on the same' }),
        write: async (model, made = writeModel(model)) => {
          written = made
          return made.byteLength
        },
      },
      watch: {},
    })
  } catch (error) {
    return { step, ...refusal(error) }
  }
  if (!written) return { step, outcome: 'failed', note: 'nothing was written' }
  const outputs = await outputsOf(runtime, written, feeds)
  if (typeof outputs === 'string') return { step, outcome: 'different', note: outputs, written }
  const shapes = (values: Values) =>
    Object.entries(values)
      .map(([name, { dtype, dims }]) => `${name}: ${dtype}[${dims}]`)
      .join(', ')
  if (shapes(outputs) !== shapes(original))
    return { step, outcome: 'different', note: `${shapes(outputs)} instead of ${shapes(original)}`, written }
  return { step, outcome: 'same', written }
}

/** A sentence of ours is a refusal, anything else a failure. */
function refusal(error: unknown): { outcome: Outcome; note: string } {
  return { outcome: error instanceof OnnxpressError ? 'refused' : 'failed', note: messageOf(error) }
}

function equalBytes(a: Values, b: Values): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => sameBytes(a[name], b[name]))
}

function sameBytes(a: TensorValue | undefined, b: TensorValue | undefined): boolean {
  if (!a || !b || a.dtype !== b.dtype || a.dims.join() !== b.dims.join()) return false
  const raw = ({ data }: TensorValue) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return raw(a).equals(raw(b))
}

/** What is different, in words; undefined when nothing is beyond rounding. */
function difference(before: Values, after: Values): string | undefined {
  for (const [name, a] of Object.entries(before)) {
    const b = after[name]
    if (!b) return `output "${name}" is gone`
    if (a.dtype !== b.dtype || a.dims.join() !== b.dims.join())
      return `output "${name}" is ${b.dtype}[${b.dims}] instead of ${a.dtype}[${a.dims}]`
    const floats = a.dtype === 'float32' || a.dtype === 'float64'
    if (sameBytes(a, b)) continue
    if (!floats) return `output "${name}" (${a.dtype}) has other values`
    const [left, right] = [Array.from(a.data, Number), Array.from(b.data, Number)]
    const largest = left.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0)
    for (const [i, x] of left.entries()) {
      const y = right[i] ?? Number.NaN
      if (Object.is(x, y) || x === y) continue
      if (!(Math.abs(x - y) <= RELATIVE * Math.abs(x) + OF_LARGEST * largest))
        return `output "${name}" is ${y} instead of ${x} at ${i}`
    }
  }
  return undefined
}
