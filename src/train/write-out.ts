// The forward graph of a training: sub-graphs written out as far as they run, and the shapes of all its values.
import { RuntimeFailure, UnsupportedError } from '../base/index.ts'
import { extractModel, isOp, type Model, readsOf, type Shapes } from '../onnx/index.ts'
import { observeShapes, type Runtime, type Values, withSession } from '../runtime/index.ts'
import { decidingValues, type Unrolled, unrolled } from './unroll.ts'

export interface WrittenOut {
  readonly model: Model
  readonly shapes: Shapes
  /** Nodes with sub-graphs that stay, by name → why. */
  readonly left: ReadonlyMap<string, string>
}

/** Sub-graphs in sub-graphs that are written out, at most. */
const DEEPEST = 8

/**
 * Writes a model of fixed sizes out for the gradient and observes it on feeds. Conditions and numbers of rounds that depend on sizes
 * alone are known. Where a branch that is not taken does not run, or the branches' shapes differ, the node stays.
 */
export async function writtenOut(runtime: Runtime, model: Model, feeds: Values, label?: string): Promise<WrittenOut> {
  let left = new Map<string, string>()
  for (;;) {
    const result = await unrollAll(runtime, model, feeds, left)
    if (result.names.length === 0) break
    try {
      const shapes = await observeShapes(runtime, result.model, feeds, label)
      const differ = result.pairs.filter(
        ({ taken, other }) => shapes.get(taken)?.dims.join() !== shapes.get(other)?.dims.join(),
      )
      if (differ.length === 0) return { model: result.model, shapes, left: result.left }
      left = new Map(left)
      for (const { node, taken, other } of differ)
        left.set(node, `its branches give [${shapes.get(taken)?.dims}] and [${shapes.get(other)?.dims}]`)
    } catch (error) {
      if (!(error instanceof RuntimeFailure || error instanceof UnsupportedError)) throw error
      left = new Map([
        ...left,
        ...result.names.map((name): [string, string] => [name, 'a branch that is not taken does not run']),
      ])
    }
  }
  return { model, shapes: await observeShapes(runtime, model, feeds, label), left: unrolled(model, { left }).left }
}

async function unrollAll(
  runtime: Runtime,
  model: Model,
  feeds: Values,
  left: ReadonlyMap<string, string>,
): Promise<Unrolled> {
  let result: Unrolled = { model, names: [], pairs: [], left }
  for (let depth = 0; depth < DEEPEST; depth++) {
    const known = await valuesOfSizes(runtime, result.model, feeds)
    const next = unrolled(result.model, { known, left: result.left })
    if (next.names.length === 0) return { ...result, left: next.left }
    result = {
      model: next.model,
      names: [...result.names, ...next.names],
      pairs: [...result.pairs, ...next.pairs],
      left: next.left,
    }
  }
  return result
}

/** Deciding values that follow from sizes alone, computed. */
async function valuesOfSizes(runtime: Runtime, model: Model, feeds: Values): Promise<Map<string, number>> {
  const makers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const inputs = new Set(model.graph.inputs.map(({ name }) => name))
  const ofSizes = (value: string): boolean => {
    const open = [value]
    const seen = new Set<string>()
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (inputs.has(name)) return false
      const node = makers.get(name)
      if (!node || seen.has(name) || isOp(node, 'Shape', 'Size')) continue
      if (/^Random|^Multinomial|^Bernoulli/.test(node.opType)) return false
      seen.add(name)
      open.push(...readsOf(node))
    }
    return true
  }
  const wanted = decidingValues(model).filter(ofSizes)
  if (wanted.length === 0) return new Map()
  const part = extractModel(
    model,
    wanted.map((name) => ({ name })),
  )
  const given = Object.fromEntries(part.graph.inputs.flatMap(({ name }) => (feeds[name] ? [[name, feeds[name]]] : [])))
  const results = await withSession(runtime, part, { optimization: 'disabled' }, (session) => session.run(given))
  return new Map(wanted.flatMap((name) => (results[name] ? [[name, Number(results[name].data[0])]] : [])))
}
