// The proof of a rewrite: the same outputs as before, on a real sample and on random inputs like it.
import { makeArray, type TensorValue, UnsupportedError } from '../base/index.ts'
import { randomStream, SqnrAccumulator } from '../math/index.ts'
import type { Model, Shapes } from '../onnx/index.ts'
import { observe, type Runtime, type Values, withSession } from '../runtime/index.ts'

/** What a model gave on the inputs it is compared on. */
export interface Observed {
  readonly shapes: Shapes
  readonly feeds: Values
  readonly outputs: Values
  readonly random: Values
  /** Absent when the model does not run on random inputs. */
  readonly randomOutputs?: Values
}

/** How far two models are apart on some inputs. */
export interface Distance {
  /** Lowest SQNR of an output in dB; null is an exact match. */
  readonly db: number | null
  /** All differences are below what float32 can tell of numbers around 1. */
  readonly same: boolean
}

export interface Proof {
  readonly real: Distance
  readonly random?: Distance
  readonly seen: Observed
}

/** A bounded output such as a Sigmoid's is only right to a few float32 steps of 1. */
const STEP_OF_ONE = 5e-7

/** Random inputs of the same types and shapes: floats within the sample's range, integers and booleans as they are. */
export function randomLike(feeds: Values, seed = 0): Values {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]): [string, TensorValue] => {
      if (value.dtype !== 'float32' && value.dtype !== 'float64') return [name, value]
      const random = randomStream(seed, `random ${name}`)
      let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      for (const x of value.data as Float32Array | Float64Array) {
        if (x < low) low = x
        if (x > high) high = x
      }
      const data = makeArray(value.dtype, value.data.length)
      for (let i = 0; i < data.length; i++) data[i] = random.uniform(low, high)
      return [name, { ...value, data }]
    }),
  )
}

/** Runs a model on both inputs and observes its shapes; with `known` shapes the batch axes come from there. */
export async function observeModel(
  runtime: Runtime,
  model: Model,
  feeds: Values,
  random: Values,
  label?: string,
  known?: Shapes,
): Promise<Observed> {
  const { shapes, outputs } = await observe(runtime, model, feeds, label, known)
  if (Object.keys(outputs).length === 0 && model.graph.outputs.length > 0)
    throw new UnsupportedError(
      `${label ?? 'the model'} gives sequences or maps alone, so no change of it can be checked; end it at the tensors before them`,
    )
  const randomOutputs = await withSession(
    runtime,
    model,
    { optimization: 'disabled', ...(label === undefined ? {} : { label }) },
    (session) =>
      session.run(random).catch((error: unknown) => {
        if (known) throw error
        return undefined
      }),
  )
  return { shapes, feeds, outputs, random, ...(randomOutputs ? { randomOutputs } : {}) }
}

/** Compares a model with the one before. @throws what ONNX Runtime says of a model that does not run */
export async function prove(runtime: Runtime, before: Observed, model: Model, label?: string): Promise<Proof> {
  const random = before.randomOutputs ? before.random : {}
  const seen = before.randomOutputs
    ? await observeModel(runtime, model, before.feeds, random, label, before.shapes)
    : { ...before, ...(await observe(runtime, model, before.feeds, label, before.shapes)) }
  return {
    real: distance(before.outputs, seen.outputs),
    ...(before.randomOutputs && seen.randomOutputs
      ? { random: distance(before.randomOutputs, seen.randomOutputs) }
      : {}),
    seen,
  }
}

/** Lowest SQNR over the float outputs, and whether all differences are below what float32 can tell. */
function distance(before: Values, after: Values): Distance {
  let lowest: number | null = null
  let largest = 0
  for (const [name, value] of Object.entries(before)) {
    const other = after[name]
    if (!other || other.dims.join() !== value.dims.join()) return { db: Number.NEGATIVE_INFINITY, same: false }
    const { db, difference } = compareValues(value, other)
    if (db !== null && (lowest === null || !(db >= lowest))) lowest = db
    largest = Math.max(largest, difference)
  }
  return { db: lowest, same: largest <= STEP_OF_ONE }
}

function compareValues(a: TensorValue, b: TensorValue): { db: number | null; difference: number } {
  const [left, right] = [Array.from(a.data, Number), Array.from(b.data, Number)]
  // The same NaN or infinity on both sides is no difference.
  for (let i = 0; i < left.length; i++)
    if (!Number.isFinite(left[i]) && Object.is(left[i], right[i])) left[i] = right[i] = 0
  const sum = new SqnrAccumulator()
  sum.add(left, right)
  let difference = 0
  for (let i = 0; i < left.length; i++) difference = Math.max(difference, Math.abs((left[i] ?? 0) - (right[i] ?? 0)))
  return { db: sum.db, difference }
}
