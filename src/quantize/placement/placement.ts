// Where Q/DQ goes: which nodes run in integers, which tensors need a grid, and why the rest stays float.
import { InputError, UnsupportedError } from '../../base/index.ts'
import {
  type Bounds,
  type DType,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
  type Tensor,
} from '../../onnx/index.ts'
import { embeddingsOf } from '../embeddings.ts'
import type { QuantizeOptions } from '../options.ts'
import { checkTypes } from '../overrides.ts'
import type { Target } from '../targets/target.ts'
import { chooseNodes } from './choose.ts'
import type { FloatReason } from './reasons.ts'
import { Scope } from './scope.ts'
import { keptApart, type PlacedTensor, placeTensors } from './tensors.ts'

/** Plain data: nodes stand under their names, tensors under the names of their values. */
export interface Placement {
  /** What the file must run on. */
  readonly target: Target
  /** Layers that run in integers. */
  readonly layers: ReadonlySet<string>
  /** Float layers whose weight is stored in codes. */
  readonly stored: ReadonlySet<string>
  /** Nodes that run in integers, layers among them. */
  readonly integer: ReadonlySet<string>
  /** Nodes that could have been integer by their operator, and why they are not. */
  readonly reasons: ReadonlyMap<string, FloatReason>
  /** Gather nodes that pick rows of a table of codes. */
  readonly embeddings: ReadonlySet<string>
  readonly tensors: ReadonlyMap<string, PlacedTensor>
  /** Min nodes with a constant that work on the codes of their input, by that input. */
  readonly caps: ReadonlyMap<string, string>
  /** Float nodes that ONNX Runtime must not see between DQ and Q: it would make integer operators of them that fail. */
  readonly shielded: ReadonlySet<string>
  /** Attributes of integer nodes that say what is usual anyway, and that the integer kernel does not know. */
  readonly surplus: ReadonlyMap<string, readonly string[]>
  /** Activations behind integer layers with a float result, with their bounds: in another form the layer keeps its kernel. */
  readonly apart: ReadonlyMap<string, Bounds>
}

/**
 * Decides on the placement for the target of the options.
 * @param types element types of the values, as far as they are known
 * @throws UnsupportedError for a type of activations that the target does not have, UsageError for a pattern that fits no node,
 * InputError where two nodes have one name (the rewrite `name-nodes` gives each its own)
 */
export function place(model: Model, options: QuantizeOptions, types: ReadonlyMap<string, DType>): Placement {
  const { target, activationType } = options
  if (!target.activations.types.includes(activationType))
    throw new UnsupportedError(
      `${target.name} has no ${activationType} activations, it has ${target.activations.types.join(', ')}`,
    )
  refuseTwins(model.graph.nodes)
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
  const placement = {
    target,
    layers: names(choice.layers.keys()),
    stored: names(choice.stored.keys()),
    integer: names(choice.integer),
    reasons: byName(choice.reasons),
    embeddings: names(placedEmbeddings(scope, choice.layers).keys()),
    tensors,
    caps: new Map([...caps].map(([value, node]) => [value, nodeName(node)])),
    shielded: names(shielded),
    surplus: byName(surplus),
    apart: byName(keptApart(scope, choice, tensors)),
  }
  checkTypes(options.overrides, scope.nodes, placement)
  return placement
}

const names = (nodes: Iterable<Node>): Set<string> => new Set(Array.from(nodes, nodeName))

const byName = <T>(map: ReadonlyMap<Node, T>): Map<string, T> =>
  new Map([...map].map(([node, value]) => [nodeName(node), value]))

/** Two nodes of one name could not be told apart. */
function refuseTwins(nodes: readonly Node[]): void {
  const known = new Set<string>()
  for (const node of nodes) {
    const name = nodeName(node)
    if (known.has(name))
      throw new InputError(
        `two nodes are called "${name}", the second one a ${node.opType}: run the rewrite name-nodes on the model first`,
        { node: name, op: node.opType },
      )
    known.add(name)
  }
}

/** The layers of a model that a placement names, in the order of the graph. */
export function layersIn(model: Model, names: { readonly has: (name: string) => boolean }): Layer[] {
  return layersOf(model).filter(({ name }) => names.has(name))
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
  return layersOf(model)
    .filter(({ name }) => !placement.layers.has(name))
    .map(({ name, node }) => ({
      name,
      reason: placement.reasons.get(name)?.text ?? `${node.opType} stays float`,
    }))
}
