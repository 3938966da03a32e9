// Observed shapes: the model is run once or twice with a Shape node behind every value; no value itself is copied out.
import { concatValues, type TensorValue } from '../base/index.ts'
import { allInputs, GraphEditor, type Model, type Shapes, type ValueShape } from '../onnx/index.ts'
import { declareTypes } from './declare-types.ts'
import { fixedBatch } from './feeds.ts'
import { type Runtime, type Session, type SessionOptions, type Values, withSession } from './session.ts'
import { typesOf } from './types.ts'

/** What one run of a model shows. */
export interface Observation {
  readonly shapes: Shapes
  /** The model's own outputs on the feeds. */
  readonly outputs: Values
}

/** Shapes of all values of a model; see `observe`. */
export async function observeShapes(runtime: Runtime, model: Model, feeds: Values, label?: string): Promise<Shapes> {
  return (await observe(runtime, model, feeds, label)).shapes
}

/**
 * Runs a model on `feeds` (one sample) and, when its batch is free, on the same sample twice; the axis that grew is the
 * batch axis. With `known` shapes (of the model before a rewrite) the batch axes come from there and it runs once.
 * Values inside sub-graphs are not observed. Runs without the runtime's own rewriting.
 */
export async function observe(
  runtime: Runtime,
  given: Model,
  feeds: Values,
  label?: string,
  known?: Shapes,
): Promise<Observation> {
  const model = await declareTypes(runtime, given)
  const types = typesOf(model)
  const editor = new GraphEditor(model)
  const watched = new Map<string, string>()
  const names = [...editor.nodes().flatMap((node) => node.outputs), ...allInputs(model.graph).map(({ name }) => name)]
  for (const value of names) {
    // Sequences and maps have no Shape.
    if (value === '' || !types.has(value)) continue
    const output = editor.freshName(`${value}/shape`)
    editor.addNode({ opType: 'Shape', inputs: [value], outputs: [output] })
    editor.graph.outputs.push({ name: output, dtype: 'int64' })
    watched.set(output, value)
  }
  const observer = editor.finish()
  return withObserver(runtime, model, observer, label, async (session) => {
    const results = await session.run(feeds)
    const once = dimsOf(results, watched)
    const twice =
      known === undefined && fixedBatch(model) === undefined && isOneRow(feeds)
        ? await session.run(doubled(feeds)).then(
            (values) => dimsOf(values, watched),
            () => undefined,
          )
        : undefined
    const shapes = new Map<string, ValueShape>()
    for (const [value, dims] of once) {
      const dtype = types.get(value)
      if (dtype === undefined) continue
      const axis = known ? known.get(value)?.batchAxis : batchAxis(dims, twice?.get(value))
      shapes.set(value, { dtype, dims, ...(axis === undefined ? {} : { batchAxis: axis }) })
    }
    const outputs = Object.fromEntries(Object.entries(results).filter(([name]) => !watched.has(name)))
    return { shapes, outputs }
  })
}

/** @throws what is wrong with the model itself, when it does not load either */
async function withObserver<T>(
  runtime: Runtime,
  model: Model,
  observer: Model,
  label: string | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const options: SessionOptions = { optimization: 'disabled', ...(label === undefined ? {} : { label }) }
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

function dimsOf(results: Values, watched: ReadonlyMap<string, string>): Map<string, number[]> {
  const dims = new Map<string, number[]>()
  for (const [output, value] of watched) {
    const result = results[output]
    if (result) dims.set(value, Array.from(result.data, Number))
  }
  return dims
}

/** Does the first axis of all inputs hold one sample? Where it is longer it is time, or a batch that was fed whole. */
function isOneRow(feeds: Values): boolean {
  return Object.values(feeds).every(({ dims }) => dims.length === 0 || dims[0] === 1)
}

function doubled(feeds: Values): Values {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]): [string, TensorValue] => [
      name,
      value.dims.length === 0 ? value : concatValues([value, value]),
    ]),
  )
}

function batchAxis(once: readonly number[], twice: readonly number[] | undefined): number | undefined {
  if (!twice || twice.length !== once.length) return undefined
  const axis = once.findIndex((size, index) => size > 0 && twice[index] === 2 * size)
  return axis === -1 ? undefined : axis
}
