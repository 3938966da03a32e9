// All multiplications of a model, those of its layers and those that no layer is: recurrent operators, attention, products of activations.

import { constantsOf, layerOf } from './layers.ts'
import { allNodes, type Model, type Node, subgraphsOf } from './model.ts'
import { productsOf } from './ops/products.ts'
import type { Shapes } from './shapes.ts'

/** Multiply-accumulates outside layers. */
export interface OtherProducts {
  /** Operators that multiply and are not layers, with how many of them there are, the most work first. */
  readonly ops: readonly { readonly op: string; readonly count: number; readonly macs?: number }[]
  /** Of all of them; undefined when one is not known, as inside If and Loop, where nothing is observed. */
  readonly macs: number | undefined
}

/** What multiplies in a model and is not a layer of its main graph, sub-graphs included. */
export function otherProducts(model: Model, shapes: Shapes): OtherProducts {
  const constants = constantsOf(model.graph)
  const dimsOf = (name: string | undefined) => shapes.get(name ?? '')?.dims ?? constants(name)?.shape
  const found = new Map<string, { count: number; macs: number | undefined }>()
  const add = (op: string, macs: number | undefined) => {
    const known = found.get(op) ?? { count: 0, macs: 0 }
    found.set(op, {
      count: known.count + 1,
      macs: known.macs === undefined || macs === undefined ? undefined : known.macs + macs,
    })
  }
  for (const node of model.graph.nodes) {
    for (const graph of subgraphsOf(node))
      for (const inner of allNodes(graph)) if (multiplies(inner)) add(`${inner.opType} in ${node.opType}`, undefined)
    if (layerOf(node, constants) || node.inputs.every((name) => name === '' || constants(name) !== undefined)) continue
    const own = productsOf(
      node,
      (index) => dimsOf(node.inputs[index]),
      (index) => dimsOf(node.outputs[index]),
    )
    if (own) add(node.opType, own.macs)
  }
  const ops = [...found]
    .map(([op, { count, macs }]) => ({ op, count, ...(macs === undefined ? {} : { macs }) }))
    .sort((a, b) => (b.macs ?? Number.POSITIVE_INFINITY) - (a.macs ?? Number.POSITIVE_INFINITY))
  const unknown = ops.some(({ macs }) => macs === undefined)
  return { ops, macs: unknown ? undefined : ops.reduce((sum, { macs = 0 }) => sum + macs, 0) }
}

const multiplies = (node: Node) =>
  productsOf(
    node,
    () => undefined,
    () => undefined,
  ) !== undefined
