// Merged decoders: one If does all the work, with a cache in one branch and without in the other. Each branch is a model of its own
// while it is quantised; put back, both read the same weights.
import {
  type Graph,
  GraphEditor,
  isOp,
  type Model,
  makeNode,
  type Node,
  subgraphsOf,
  type Tensor,
} from '../../onnx/index.ts'
import type { Values } from '../../runtime/index.ts'

/** Tensors of fewer bytes – axes, bounds, shapes – stay in their branch, where every kernel finds them. */
const WORTH_BYTES = 256

/** The branches of a model as models with its inputs and outputs. */
export interface Branches {
  readonly parts: Readonly<Record<Side, Model>>
  /** The branch that runs on some inputs. */
  readonly sideOf: (inputs: Values) => Side
}

export type Side = 'then_branch' | 'else_branch'
export const sides: readonly Side[] = ['then_branch', 'else_branch']

/** Takes a model apart whose outputs all come out of one If that an input decides; undefined for any other. */
export function branchesOf(model: Model): Branches | undefined {
  const { nodes, inputs, outputs } = model.graph
  const [decision, ...others] = nodes.filter((node) => subgraphsOf(node).length > 0)
  if (!decision || others.length > 0 || !isOp(decision, 'If')) return undefined
  if (!outputs.every(({ name }) => decision.outputs.includes(name))) return undefined
  const condition = conditionOf(model, decision)
  if (condition === undefined || !inputs.some(({ name }) => name === condition)) return undefined
  const [then, other] = sides.map((side) => partOf(model, decision, side))
  if (!then || !other) return undefined
  return {
    parts: { then_branch: then, else_branch: other },
    sideOf: (values) => (Number(values[condition]?.data[0] ?? 0) === 0 ? 'else_branch' : 'then_branch'),
  }
}

/** The input that a condition is, but for its type and shape. */
function conditionOf({ graph }: Model, decision: Node): string | undefined {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  let [value = ''] = decision.inputs
  for (let node = makers.get(value); node; node = makers.get(value)) {
    if (!isOp(node, 'Identity', 'Cast', 'Squeeze', 'Reshape')) return undefined
    value = node.inputs[0] ?? ''
  }
  return value
}

const branchOf = (decision: Node, side: Side): Graph | undefined => {
  const attribute = decision.attributes.get(side)
  return attribute?.type === 'graph' ? attribute.value : undefined
}

function partOf(model: Model, decision: Node, side: Side): Model | undefined {
  const branch = branchOf(decision, side)
  if (!branch || branch.nodes.some((node) => subgraphsOf(node).length > 0)) return undefined
  const renamed = decision.outputs.flatMap((output, index) => {
    const inner = branch.outputs[index]?.name ?? ''
    return inner === output
      ? []
      : [makeNode({ opType: 'Identity', name: `${output}/out`, inputs: [inner], outputs: [output] })]
  })
  const outer = model.graph.nodes.filter((node) => node !== decision)
  const initializers = new Map([...model.graph.initializers, ...branch.initializers])
  const valueInfo = new Map([...model.graph.valueInfo, ...branch.valueInfo])
  const graph = { ...model.graph, nodes: [...outer, ...branch.nodes, ...renamed], initializers, valueInfo }
  return new GraphEditor({ ...model, graph }).finish()
}

/** Puts branches back that were changed; undefined where they are not of the same operator sets any more. */
export function joinBranches(whole: Model, parts: Readonly<Record<Side, Model>>): Model | undefined {
  const { then_branch: then, else_branch: other } = parts
  const opsets = new Map([...then.opsets, ...other.opsets])
  if (
    [...opsets].some(([domain, version]) =>
      sides.some((side) => (parts[side].opsets.get(domain) ?? version) !== version),
    )
  )
    return undefined
  const stored = new Stored(new Set(whole.graph.inputs.map(({ name }) => name)))
  const nodes = whole.graph.nodes.map((node) => {
    if (subgraphsOf(node).length === 0) return node
    const attributes = new Map(node.attributes)
    for (const side of sides)
      attributes.set(side, { type: 'graph', value: inside(parts[side], side, node.outputs, stored) })
    return { ...node, attributes }
  })
  const read = new Set(nodes.flatMap(({ inputs }) => inputs))
  const kept = [...whole.graph.initializers].filter(([name]) => read.has(name))
  const graph = { ...whole.graph, nodes, initializers: new Map([...kept, ...stored.tensors]), valueInfo: new Map() }
  return { ...whole, opsets, graph }
}

/** A part as the graph of a branch: its inputs are those outside, its values have names that nothing outside has. */
function inside({ graph }: Model, side: Side, outputs: readonly string[], stored: Stored): Graph {
  const inputs = new Set(graph.inputs.map(({ name }) => name))
  const initializers = new Map<string, Tensor>()
  const names = new Map<string, string>()
  for (const [name, tensor] of graph.initializers) {
    const small = tensor.byteLength < WORTH_BYTES
    names.set(name, small ? `${side}/${name}` : stored.nameOf(name, tensor))
    if (small) initializers.set(`${side}/${name}`, tensor)
  }
  const of = (name: string) => (name === '' || inputs.has(name) ? name : (names.get(name) ?? `${side}/${name}`))
  const nodes = graph.nodes.map((node) => ({
    ...node,
    name: `${side}/${node.name}`,
    inputs: node.inputs.map(of),
    outputs: node.outputs.map(of),
  }))
  const infos = new Map(graph.outputs.map((output) => [output.name, output]))
  const ordered = outputs.map((name) => ({ ...(infos.get(name) ?? { name }), name: of(name) }))
  return { name: side, nodes, initializers, inputs: [], outputs: ordered, valueInfo: new Map() }
}

/** Tensors outside the branches, equal ones once. */
class Stored {
  readonly tensors = new Map<string, Tensor>()
  readonly #taken: Set<string>
  readonly #alike = new Map<string, { readonly name: string; readonly tensor: Tensor }[]>()

  constructor(taken: Set<string>) {
    this.#taken = taken
  }

  nameOf(hint: string, tensor: Tensor): string {
    const kind = `${tensor.dtype} ${tensor.shape.join()}`
    const known = this.#alike.get(kind) ?? []
    const same = known.find((each) => each.tensor === tensor || isSame(each.tensor.bytes, tensor.bytes))
    if (same) return same.name
    let name = hint
    for (let count = 1; this.#taken.has(name); count++) name = `${hint}_${count}`
    this.#taken.add(name)
    this.#alike.set(kind, [...known, { name, tensor }])
    this.tensors.set(name, tensor)
    return name
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
