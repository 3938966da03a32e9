// The proof of a rewrite: the same outputs as before, on a real sample and on random inputs like it.
import { makeArray, type TensorValue, UnsupportedError } from '../base/index.ts'
import { float16ToFloat32, randomStream, SqnrAccumulator, toFloat16Bits } from '../math/index.ts'
import { isExpensive, type Model, type Shapes } from '../onnx/index.ts'
import { type ObserveOptions, observe, type Runtime, type Values } from '../runtime/index.ts'

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
/** The same in float16: two steps. */
const STEP_OF_ONE_16 = 2 ** -9
/** Outputs above this are compared on the sample alone: 32 MB of float32. */
const MANY_VALUES = 2 ** 23
/** Lowest bound where values are rounded to float16 on the way: each rounding costs 73 dB, a deep network has hundreds. */
const FLOAT16_BOUND_DB = 40

/** The bound that a rewrite can keep in a model: values rounded to float16 come out a little different in any other form. */
export function boundIn({ shapes, feeds }: Observed, boundDb: number): number {
  const rounded = [...shapes].some(([value, { dtype }]) => dtype === 'float16' && !(value in feeds))
  return rounded ? Math.min(boundDb, FLOAT16_BOUND_DB) : boundDb
}

/** Random inputs of the same types and shapes: floats within the sample's range, integers and booleans as they are. */
export function randomLike(feeds: Values, seed = 0): Values {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]): [string, TensorValue] => {
      if (value.dtype !== 'float32' && value.dtype !== 'float64' && value.dtype !== 'float16') return [name, value]
      const random = randomStream(seed, `random ${name}`)
      let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      for (const x of numbersOf(value) as Float32Array | Float64Array) {
        if (x < low) low = x
        if (x > high) high = x
      }
      const data = makeArray(value.dtype, value.data.length)
      const coded = value.dtype === 'float16' ? toFloat16Bits : (x: number) => x
      for (let i = 0; i < data.length; i++) data[i] = coded(random.uniform(low, high))
      return [name, { ...value, data }]
    }),
  )
}

/** Runs a model on both inputs and observes its shapes; with `known` shapes the batch axes come from there. */
export async function observeModel(
  runtime: Runtime,
  model: Model,
  { feeds, random }: Pick<Observed, 'feeds' | 'random'>,
  { label, known }: Pick<ObserveOptions, 'label' | 'known'> = {},
): Promise<Observed> {
  const { shapes, outputs, otherOutputs } = await observe(runtime, model, feeds, {
    label,
    known,
    others: (seen) => (isMuch(seen) ? undefined : random),
  })
  if (Object.keys(outputs).length === 0 && model.graph.outputs.length > 0)
    throw new UnsupportedError(
      `${label ?? 'the model'} gives sequences or maps alone, so no change of it can be checked; end it at the tensors before them`,
    )
  if (otherOutputs instanceof Error && known) throw otherOutputs
  const randomOutputs = otherOutputs instanceof Error ? undefined : otherOutputs
  return { shapes, feeds, outputs, random, ...(randomOutputs ? { randomOutputs } : {}) }
}

/** So many values of one sample prove as much as two samples of another model. */
function isMuch({ shapes, outputs }: Pick<Observed, 'shapes' | 'outputs'>): boolean {
  return isExpensive(shapes) || Object.values(outputs).reduce((sum, { data }) => sum + data.length, 0) > MANY_VALUES
}

/** Compares a model with the one before. @throws what ONNX Runtime says of a model that does not run */
export async function prove(runtime: Runtime, before: Observed, model: Model, label?: string): Promise<Proof> {
  const random = before.randomOutputs ? before.random : {}
  const seen = before.randomOutputs
    ? await observeModel(runtime, model, { feeds: before.feeds, random }, { label, known: before.shapes })
    : { ...before, ...(await observe(runtime, model, before.feeds, { label, known: before.shapes })) }
  return {
    real: distance(before.outputs, seen.outputs),
    ...(before.randomOutputs && seen.randomOutputs
      ? { random: distance(before.randomOutputs, seen.randomOutputs) }
      : {}),
    seen,
  }
}

/** Lowest SQNR over the outputs, and whether all differences are below what their type can tell. */
export function distance(before: Values, after: Values): Distance {
  let lowest: number | null = null
  let same = true
  for (const [name, value] of Object.entries(before)) {
    const other = after[name]
    if (!other || other.dims.join() !== value.dims.join()) return { db: Number.NEGATIVE_INFINITY, same: false }
    const { db, difference } = compareValues(value, other)
    if (db !== null && (lowest === null || !(db >= lowest))) lowest = db
    same &&= difference <= (value.dtype === 'float16' ? STEP_OF_ONE_16 : STEP_OF_ONE)
  }
  return { db: lowest, same }
}

/** One loop over both arrays where they lie: an output may have millions of elements. */
function compareValues(a: TensorValue, b: TensorValue): { db: number | null; difference: number } {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  const sum = new SqnrAccumulator()
  let [signal, noise, difference] = [0, 0, 0]
  for (let i = 0; i < left.length; i++) {
    const x = Number(left[i])
    const y = Number(right[i])
    // The same NaN or infinity on both sides is not a difference.
    if (!Number.isFinite(x) && Object.is(x, y)) continue
    const error = x - y
    signal += x * x
    noise += error * error
    difference = Math.max(difference, Math.abs(error))
  }
  sum.signal = signal
  sum.noise = noise
  return { db: sum.db, difference }
}

/** What the elements stand for: float16 travels as its bits. */
function numbersOf({ dtype, data }: TensorValue): TensorValue['data'] {
  return dtype === 'float16' && data instanceof Uint16Array ? float16ToFloat32(data) : data
}
