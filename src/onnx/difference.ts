// What two models differ in, as somebody who reviews a change wants to read it: layers, operators, versions, inputs and outputs.
import { type LayerForm, layerFormsOf } from './layer-forms.ts'
import { type Graph, type Model, type Node, opsetOf, subgraphsOf } from './model.ts'
import { printValue } from './print.ts'

/** A figure or word of both models. */
export interface Change<T> {
  readonly before: T
  readonly after: T
}

/** What of a layer is not as it was. */
export type LayerAspect = 'name' | 'op' | 'shape' | 'weight' | 'grid' | 'activations' | 'integer'

/** A layer that both models have, in two forms. */
export interface ChangedLayer extends Change<LayerForm> {
  readonly aspects: readonly LayerAspect[]
}

export interface ModelDifference {
  readonly layers: {
    readonly added: readonly LayerForm[]
    readonly removed: readonly LayerForm[]
    readonly changed: readonly ChangedLayer[]
    /** Layers that are the same in form; their weights may hold other numbers. */
    readonly same: number
  }
  /** Operators whose number is another one, by name; those of sub-graphs count too. */
  readonly operators: Readonly<Record<string, Change<number>>>
  readonly opset?: Change<number>
  readonly irVersion?: Change<number>
  /** Present when a name, type or shape is another one. */
  readonly inputs?: Change<readonly string[]>
  readonly outputs?: Change<readonly string[]>
}

/**
 * Compares what two models are made of, not what they compute. Layers are matched by the name of their node; those whose name only one
 * model has, by kind and shape of the weight in the order of the graph.
 */
export function differenceOf(before: Model, after: Model): ModelDifference {
  const { pairs, added, removed } = matched(layerFormsOf(before), layerFormsOf(after))
  const changed = pairs
    .map((pair): ChangedLayer => ({ ...pair, aspects: aspectsOf(pair) }))
    .filter(({ aspects }) => aspects.length > 0)
  return {
    layers: { added, removed, changed, same: pairs.length - changed.length },
    operators: changedCounts(countOps(before.graph), countOps(after.graph)),
    ...changeOf('opset', opsetOf(before), opsetOf(after)),
    ...changeOf('irVersion', before.irVersion, after.irVersion),
    ...changeOf('inputs', before.graph.inputs.map(printValue), after.graph.inputs.map(printValue)),
    ...changeOf('outputs', before.graph.outputs.map(printValue), after.graph.outputs.map(printValue)),
  }
}

function changeOf<Key extends string, T>(key: Key, before: T, after: T): { readonly [K in Key]?: Change<T> } {
  if (String(before) === String(after)) return {}
  return { [key]: { before, after } } as { readonly [K in Key]?: Change<T> }
}

interface Matched {
  readonly pairs: readonly Change<LayerForm>[]
  readonly added: readonly LayerForm[]
  readonly removed: readonly LayerForm[]
}

function matched(before: readonly LayerForm[], after: readonly LayerForm[]): Matched {
  const partner = new Map<LayerForm, LayerForm>()
  const named = new Map(after.map((layer) => [layer.name, layer]))
  for (const layer of before) {
    const other = named.get(layer.name)
    // A name may stand for something else by now: a convolution is no product of matrices.
    if (other && kindOf(layer) === kindOf(other) && named.delete(layer.name)) partner.set(layer, other)
  }
  const taken = new Set(partner.values())
  const [left, right] = [before.filter((layer) => !partner.has(layer)), after.filter((layer) => !taken.has(layer))]
  for (const [layer, other] of inCommon(left, right)) partner.set(layer, other)
  const all = new Set(partner.values())
  return {
    pairs: before.flatMap((layer) => {
      const other = partner.get(layer)
      return other ? [{ before: layer, after: other }] : []
    }),
    added: after.filter((layer) => !all.has(layer)),
    removed: before.filter((layer) => !partner.has(layer)),
  }
}

/** The longest sequence of layers that both lists have in this order, by kind and shape. */
function inCommon(left: readonly LayerForm[], right: readonly LayerForm[]): [LayerForm, LayerForm][] {
  const [a, b] = [left.map(signature), right.map(signature)]
  const width = b.length + 1
  // longest[i, j]: how many a[i…] and b[j…] have in common.
  const longest = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? (longest[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0)
  const pairs: [LayerForm, LayerForm][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [layer, other] = [left[i], right[j]]
    if (a[i] === b[j] && layer && other) {
      pairs.push([layer, other])
      i++
      j++
    } else if ((longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0)) i++
    else j++
  }
  return pairs
}

function signature(layer: LayerForm): string {
  return `${kindOf(layer)} ${sizesOf(layer)}`
}

/** Convolution or product of matrices, whichever operator computes it. */
function kindOf({ op, shape }: LayerForm): string {
  return /Transpose/.test(op) ? 'spreads' : /Conv/.test(op) ? 'gathers' : shape.length > 2 ? 'products' : 'product'
}

/** A matrix may be stored either way round. */
function sizesOf({ shape }: LayerForm): string {
  return (shape.length === 2 ? shape.toSorted((a, b) => a - b) : shape).join('×')
}

function aspectsOf({ before, after }: Change<LayerForm>): LayerAspect[] {
  const same: Readonly<Record<LayerAspect, boolean>> = {
    name: before.name === after.name,
    op: before.op === after.op,
    shape: sizesOf(before) === sizesOf(after),
    weight: before.weight.dtype === after.weight.dtype && before.weight.bits === after.weight.bits,
    grid: before.weight.grid === after.weight.grid,
    activations: before.activations === after.activations,
    integer: before.integer === after.integer,
  }
  return (Object.keys(same) as LayerAspect[]).filter((aspect) => !same[aspect])
}

function countOps(graph: Graph, counts: Map<string, number> = new Map()): Map<string, number> {
  for (const node of graph.nodes) {
    const op = opOf(node)
    counts.set(op, (counts.get(op) ?? 0) + 1)
    for (const inner of subgraphsOf(node)) countOps(inner, counts)
  }
  return counts
}

function opOf({ domain, opType }: Node): string {
  return domain === '' || domain === 'ai.onnx' ? opType : `${domain}:${opType}`
}

function changedCounts(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Record<string, Change<number>> {
  const ops = [...new Set([...before.keys(), ...after.keys()])].sort()
  return Object.fromEntries(
    ops
      .map((op) => [op, { before: before.get(op) ?? 0, after: after.get(op) ?? 0 }] as const)
      .filter(([, count]) => count.before !== count.after),
  )
}
