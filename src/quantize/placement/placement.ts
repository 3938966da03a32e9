// Where Q/DQ goes: which nodes run in integers, which tensors need a grid, and why the rest stays float.
import { UnsupportedError } from '../../base/index.ts'
import {
  type Bounds,
  constantsOf,
  type DType,
  type Layer,
  layerOf,
  type Model,
  type Node,
  nodeName,
  type Tensor,
} from '../../onnx/index.ts'
import { embeddingsOf } from '../embeddings.ts'
import type { QuantizeOptions } from '../options.ts'
import type { Target } from '../targets/target.ts'
import { type Choice, chooseNodes } from './choose.ts'
import { Scope } from './scope.ts'
import { keptApart, type PlacedTensor, placeTensors } from './tensors.ts'

export interface Placement extends Choice {
  /** What the file must run on. */
  readonly target: Target
  /** Gather nodes that pick rows of a table of codes, by the table. */
  readonly embeddings: ReadonlyMap<Node, Tensor>
  readonly tensors: ReadonlyMap<string, PlacedTensor>
  /** Min nodes with a constant that work on the codes of their input, by that input. */
  readonly caps: ReadonlyMap<string, Node>
  /** Float nodes that ONNX Runtime must not see between DQ and Q: it would make integer operators of them that fail. */
  readonly shielded: ReadonlySet<Node>
  /** Attributes of integer nodes that say what is usual anyway, and that the integer kernel does not know. */
  readonly surplus: ReadonlyMap<Node, readonly string[]>
  /** Activations behind integer layers with a float result, with their bounds: in another form the layer keeps its kernel. */
  readonly apart: ReadonlyMap<Node, Bounds>
}

/**
 * Decides on the placement for the target of the options.
 * @param types element types of the values, as far as they are known
 * @throws UnsupportedError for a type of activations that the target does not have, UsageError for a pattern that fits no node
 */
export function place(model: Model, options: QuantizeOptions, types: ReadonlyMap<string, DType>): Placement {
  const { target, activationType } = options
  if (!target.activations.types.includes(activationType))
    throw new UnsupportedError(
      `${target.name} has no ${activationType} activations, it has ${target.activations.types.join(', ')}`,
    )
  const scope = new Scope(model, options, types)
  const choice = chooseNodes(scope)
  const caps = new Map(
    [...choice.integer].flatMap((node) =>
      scope.isCap(node) ? [[scope.dataInputs(node)[0] ?? '', node] as const] : [],
    ),
  )
  const tensors = placeTensors(scope, choice, caps)
  const lacking = scope.nodes.filter((node) => scope.role(node)?.lacks?.some((name) => node.attributes.has(name)))
  const shielded = new Set(lacking.filter((node) => scope.lacking(node) !== undefined))
  const surplus = new Map(
    lacking.filter((node) => !shielded.has(node)).map((node) => [node, scope.role(node)?.lacks ?? []] as const),
  )
  const { layers, stored, integer, reasons } = choice
  const apart = keptApart(scope, choice, tensors)
  const embeddings = placedEmbeddings(scope, layers)
  return { target, layers, stored, integer, reasons, embeddings, tensors, caps, shielded, surplus, apart }
}

function placedEmbeddings(
  { graph, types, excluded, options }: Scope,
  layers: ReadonlyMap<Node, Layer>,
): ReadonlyMap<Node, Tensor> {
  if (options.embeddings === 'float') return new Map()
  return embeddingsOf({ graph, types, excluded: (node) => excluded(node) !== undefined, layers })
}

/** Name and reason of each layer that stays float. */
export function floatLayers(model: Model, placement: Placement): { name: string; reason: string }[] {
  const constants = constantsOf(model.graph)
  return model.graph.nodes
    .filter((node) => layerOf(node, constants) && !placement.layers.has(node))
    .map((node) => ({
      name: nodeName(node),
      reason: placement.reasons.get(node)?.text ?? `${node.opType} stays float`,
    }))
}
