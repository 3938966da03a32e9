// Which tensors get a grid, and which of them share one.
import { type Bounds, factsOf, type Node } from '../../onnx/index.ts'
import type { Choice } from './choose.ts'
import type { Scope } from './scope.ts'

/** A tensor that gets a grid. */
export interface PlacedTensor {
  readonly value: string
  /** The tensor whose grid this one shares, because codes are only moved between them. */
  readonly gridOf: string
  /** Bounds of what produces it. */
  readonly bounds: Bounds
  /** Made by an integer operator: then every reader must read behind Q/DQ, or the operator does not fuse. */
  readonly integerProducer: boolean
  /** A constant operand: its range is known. */
  readonly constant?: true
}

/** @param caps Min nodes that work on codes, by their input */
export function placeTensors(
  scope: Scope,
  { layers, integer }: Choice,
  caps: ReadonlyMap<string, Node>,
): Map<string, PlacedTensor> {
  const tensors = new Map<string, PlacedTensor>()
  const { consumers, floatValues, options } = scope
  const add = (value: string, own: string, integerProducer: boolean) => {
    const known = tensors.get(value)
    if (known && (known.integerProducer || !integerProducer)) return
    // What is capped needs no grid above its caps.
    const gridOf = caps.get(value)?.outputs[0] ?? own
    const constant = scope.constants(value) ? { constant: true as const } : {}
    tensors.set(value, { value, gridOf, integerProducer, bounds: boundsOf(scope, integer, value), ...constant })
  }
  for (const node of scope.nodes) {
    if (!integer.has(node)) continue
    for (const input of scope.dataInputs(node)) add(input, input, false)
    const role = scope.role(node)
    const results = scope.results(node, layers.get(node))
    if (role?.role === 'pass-through') {
      const input = node.inputs[0] ?? ''
      const gridOf = tensors.get(input)?.gridOf ?? input
      for (const result of results) add(result, gridOf, true)
      continue
    }
    const read = (result: string) =>
      consumers.get(result)?.some((reader) => integer.has(reader) && scope.dataInputs(reader).includes(result)) === true
    const wanted = (result: string) => options.given?.activations.has(result) || read(result)
    if (role?.output !== 'optional' || results.some((result) => !floatValues.has(result) && wanted(result)))
      for (const result of results) add(result, result, true)
  }
  return tensors
}

/** Activations behind integer layers with a float result, with their bounds: fused with them in float, the layers lose their kernel. */
export function keptApart(
  scope: Scope,
  { layers }: Choice,
  tensors: ReadonlyMap<string, PlacedTensor>,
): Map<Node, Bounds> {
  const apart = new Map<Node, Bounds>()
  for (const [node, layer] of layers) {
    if (scope.role(node)?.losesToActivation !== true || scope.biasOf(node, layer)) continue
    const activation = scope.fusedActivation(node)
    const bounds = activation && factsOf(activation).bounds?.(activation, scope.constants)
    if (activation && bounds && !tensors.has(activation.outputs[0] ?? '')) apart.set(activation, bounds)
  }
  return apart
}

/** Bounds of a value, seen through operators that only move elements. */
function boundsOf(scope: Scope, integer: ReadonlySet<Node>, value: string): Bounds {
  const free = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const node = scope.producers.get(value)
  if (!node) return free
  const facts = factsOf(node)
  if (facts.movesData) return boundsOf(scope, integer, node.inputs[0] ?? '')
  if (integer.has(node) && scope.isCap(node)) {
    const [input = ''] = scope.dataInputs(node)
    const caps = scope.constants(node.inputs.find((name) => name !== input))?.floats() ?? []
    return { low: boundsOf(scope, integer, input).low, high: Math.max(...caps) }
  }
  return facts.bounds?.(node, scope.constants) ?? free
}
