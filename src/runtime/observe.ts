// Observed shapes: the model is run once or twice with a Shape node behind every value; no value itself is copied out.
import { concatValues, type TensorValue } from '../base/index.ts'
import { fromFloat16Bits } from '../math/index.ts'
import { allInputs, GraphEditor, isExpensive, type Model, type Shapes, type ValueShape } from '../onnx/index.ts'
import { declareTypes } from './declare-types.ts'
import { fixedBatch } from './feeds.ts'
import { joinValues } from './join.ts'
import { type Runtime, type Session, type SessionOptions, type Values, withSession } from './session.ts'
import { typesOf } from './types.ts'

/** What one run of a model shows. */
export interface Observation {
  readonly shapes: Shapes
  /** The model's own outputs on the feeds. */
  readonly outputs: Values
  /** The same on the other feeds that were asked for; an error when it does not run on them. */
  readonly otherOutputs?: Values | Error
}

/** A model with a sample that it runs on. */
export interface SampledModel {
  readonly model: Model
  readonly feeds: Values
}

/** The same with the shapes that were observed on it. */
export interface ShapedSample extends SampledModel {
  readonly shapes: Shapes
}

/** Shapes of all values of a model; see `observe`. */
export async function observeShapes(runtime: Runtime, model: Model, feeds: Values, label?: string): Promise<Shapes> {
  return (await observe(runtime, model, feeds, { label })).shapes
}

export interface ObserveOptions {
  /** Name for messages, usually the file. */
  readonly label?: string | undefined
  /** Shapes of the model before a rewrite. */
  readonly known?: Shapes | undefined
  /** More feeds to run on, decided when shapes and outputs on the first ones are known. */
  readonly others?: (seen: Observation) => Values | undefined
}

/**
 * Runs a model on `feeds` (one sample) and, when its batch is free, on that sample and another one; the axis that grew is the
 * batch axis, and an output that is another in company than alone is `mixed`. With `known` shapes (of the model before a rewrite) the batch axes come from there and it runs once.
 * With `others` it runs on them too, in the same session: opening one takes longer than a run.
 * Values inside sub-graphs are not observed. Runs without the runtime's own rewriting, but for models whose inference is known to
 * take seconds: that takes several times as long, and gigabytes for the columns of convolutions.
 */
export async function observe(
  runtime: Runtime,
  given: Model,
  feeds: Values,
  { label, known, others }: ObserveOptions = {},
): Promise<Observation> {
  const model = await declareTypes(runtime, given)
  const types = typesOf(model)
  const editor = new GraphEditor(model)
  // Graph inputs first: pieces are joined in the order of the graph. Sequences and maps have no Shape.
  const names = [...allInputs(model.graph).map(({ name }) => name), ...editor.nodes().flatMap((node) => node.outputs)]
  const watched = [...new Set(names)].filter((value) => value !== '' && types.has(value))
  const sizes = addSizes(editor, watched)
  const observer = editor.finish()
  const optimization = known && isExpensive(known) ? 'all' : 'disabled'
  return withObserver(
    runtime,
    { model, observer },
    { optimization, ...(label === undefined ? {} : { label }) },
    async (session) => {
      const results = await session.run(feeds)
      const once = dimsOf(results[sizes], watched)
      const twice =
        known === undefined && fixedBatch(model) === undefined && isOneRow(feeds)
          ? await inCompany(session, feeds)
          : undefined
      const grown = twice && dimsOf(twice[sizes], watched)
      const shapes = new Map<string, ValueShape>()
      for (const [value, dims] of once) {
        const dtype = types.get(value)
        if (dtype === undefined) continue
        const axis = known ? known.get(value)?.batchAxis : batchAxis(dims, grown?.get(value))
        const [alone, together] = [results[value], twice?.[value]]
        const mixed = known?.get(value)?.mixed ?? (axis === 0 && alone && together && !isHalfOf(alone, together))
        shapes.set(value, {
          dtype,
          dims,
          ...(axis === undefined ? {} : { batchAxis: axis }),
          ...(mixed ? { mixed } : {}),
        })
      }
      const own = (values: Values) => Object.fromEntries(Object.entries(values).filter(([name]) => name !== sizes))
      const seen = { shapes, outputs: own(results) }
      const more = others?.(seen)
      if (more === undefined) return seen
      const otherOutputs = await session.run(more).then(own, (error: unknown) => error as Error)
      return { ...seen, otherOutputs }
    },
  )
}

/** @throws what is wrong with the model itself, when it does not load either */
async function withObserver<T>(
  runtime: Runtime,
  { model, observer }: { readonly model: Model; readonly observer: Model },
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  let session: Session
  try {
    session = await runtime.open(observer, { ...options, derived: 'observing its shapes' })
  } catch (error) {
    await withSession(runtime, model, options, async () => {})
    throw error
  }
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** Groups of values whose sizes are joined one after the other. */
const GROUPS = 200

/** Adds an output that holds the rank and the dims of each value, one value after the other. */
function addSizes(editor: GraphEditor, values: readonly string[]): string {
  const pieces = values.map((value) => {
    const [dims, rank] = [editor.freshName(`${value}/shape`), editor.freshName(`${value}/rank`)]
    editor.addNode({ opType: 'Shape', inputs: [value], outputs: [dims] })
    editor.addNode({ opType: 'Shape', inputs: [dims], outputs: [rank] })
    return [rank, dims]
  })
  const each = Math.ceil(pieces.length / GROUPS)
  const groups = Array.from({ length: Math.ceil(pieces.length / each) }, (_, i) =>
    pieces.slice(i * each, (i + 1) * each).flat(),
  )
  return joinValues(editor, groups, { name: 'onnxpress/sizes', dtype: 'int64', axis: 0 })
}

function dimsOf(sizes: TensorValue | undefined, values: readonly string[]): Map<string, number[]> {
  const numbers = Array.from(sizes?.data ?? [], Number)
  let at = 0
  return new Map(
    values.map((value) => {
      const rank = numbers[at++] ?? 0
      at += rank
      return [value, numbers.slice(at - rank, at)]
    }),
  )
}

/** Does the first axis of all inputs hold one sample? Where it is longer it is time, or a batch that was fed whole. */
function isOneRow(feeds: Values): boolean {
  return Object.values(feeds).every(({ dims }) => dims.length === 0 || dims[0] === 1)
}

/** The sample with another one behind it; with itself, where the model does not take the other; undefined: it takes neither. */
async function inCompany(session: Session, feeds: Values): Promise<Values | undefined> {
  for (const companion of [unlike, (value: TensorValue) => value]) {
    const joined = Object.entries(feeds).map(([name, value]): [string, TensorValue] => [
      name,
      value.dims.length === 0 ? value : concatValues([value, companion(value)]),
    ])
    const outputs = await session.run(Object.fromEntries(joined)).catch(() => undefined)
    if (outputs) return outputs
  }
  return undefined
}

/** Other numbers that a model takes as well: backwards, floats half as large. Token numbers stay in the vocabulary. */
function unlike(value: TensorValue): TensorValue {
  const data = value.data.slice().reverse()
  if (data instanceof Float32Array || data instanceof Float64Array)
    for (let i = 0; i < data.length; i++) data[i] = 0.5 * (data[i] ?? 0)
  return { ...value, data } as TensorValue
}

/** What rounding may change when a sample runs in company. */
const SAME_DB = 60

/** Is a value the first half of another one, but for rounding? */
function isHalfOf(alone: TensorValue, together: TensorValue): boolean {
  const [a, b] = [numbersOf(alone), numbersOf(together)]
  if (b.length !== 2 * a.length) return true
  let [signal, noise] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x = 0, y = 0] = [a[i], b[i]]
    if (Number.isFinite(x)) signal += x * x
    // NaN and infinities on both sides are the same.
    if (!Object.is(x, y)) noise += (x - y) ** 2
  }
  // Written so that NaN on one side fails.
  return noise === 0 || 10 * Math.log10(signal / noise) >= SAME_DB
}

function numbersOf({ dtype, data }: TensorValue): ArrayLike<number> {
  if (dtype === 'float16') return Float32Array.from(data as Uint16Array, fromFloat16Bits)
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? Array.from(data, Number) : data
}

function batchAxis(once: readonly number[], twice: readonly number[] | undefined): number | undefined {
  if (!twice || twice.length !== once.length) return undefined
  const axis = once.findIndex((size, index) => size > 0 && twice[index] === 2 * size)
  return axis === -1 ? undefined : axis
}
