// Carries what is known of each channel forwards through the graph; what it is (bounds, moments) is up to the rules.
import { intAttribute } from '../attributes.ts'
import { type Layer, layerOf, type ViewedLayer } from '../layers.ts'
import { isOp, type Node } from '../model.ts'
import { type Constants, factsOf } from '../ops/index.ts'
import type { Shapes } from '../shapes.ts'
import { type ChannelMap, onAxis, singleAxis } from './channel-map.ts'
import { passNode } from './rules.ts'
import { ChannelScope } from './scope.ts'

/** What one kind of knowledge does at each operator. A fact of type F is about one channel of one value. */
export interface FlowRules<F> {
  /** Nothing is known. */
  readonly unknown: F
  /** A constant operand, all of its entries for this channel. */
  readonly constant: (entries: readonly number[]) => F
  /** Outputs of a layer from its inputs, one fact for each input channel over all groups. */
  readonly layer: (layer: ViewedLayer, inputs: readonly F[]) => readonly F[]
  /** y = f(x) for each element; `constant(i)` is input i of the node, a number for this channel. */
  readonly elementwise: (node: Node, x: F, constant: (index: number) => number | undefined) => F
  /** Add, Sub, Mul, Div, Max, Min, Sum, Mean. */
  readonly combine: (node: Node, operands: readonly F[]) => F
  /** Pools, spatial reductions, Resize; Pad of spatial axes with 0. */
  readonly spatial: (node: Node, x: F) => F
  /** What is known of a value beyond what its node says: statistics. Called for every value that has channels on one axis. */
  readonly refine?: (value: string, facts: readonly F[]) => readonly F[]
}

/** Facts of the channels of a value: `map.ids` are indices into `facts`. */
interface Carried<F> {
  readonly map: ChannelMap
  readonly facts: readonly F[]
}

/** Facts of each channel of a value, along one axis. */
export type ChannelFacts<F> = (value: string) => readonly F[] | undefined

const COMBINE = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Sum', 'Mean']
const SPATIAL = [
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'Resize',
  'Upsample',
  'Pad',
]
const MOVEMENT = [
  ...['Identity', 'Dropout', 'Concat', 'Split', 'Slice', 'Gather', 'Transpose', 'Reshape', 'Flatten'],
  ...['Squeeze', 'Unsqueeze', 'Cast'],
]

/** What is walked over. */
export interface FlowGraph {
  /** In graph order. */
  readonly nodes: readonly Node[]
  readonly inputs: readonly string[]
  readonly constants: Constants
  readonly shapes: Shapes
}

/**
 * One walk over the nodes from the graph's inputs. Where channels go is asked of the same rules as
 * `channelGraph` does; constants are looked up when a node is reached, so rules may change weights from there on.
 */
export function flowChannels<F>({ nodes, inputs, constants, shapes }: FlowGraph, rules: FlowRules<F>): ChannelFacts<F> {
  const flow = new Flow(constants, shapes, rules)
  for (const input of inputs) {
    const dims = shapes.get(input)?.dims
    if (dims && dims.length >= 2) flow.put(input, 1, Array<F>(dims[1] ?? 1).fill(rules.unknown))
  }
  for (const node of nodes) flow.pass(node)
  return (value) => flow.facts(value)
}

class Flow<F> {
  readonly #constants: Constants
  readonly #shapes: Shapes
  readonly #rules: FlowRules<F>
  readonly #values = new Map<string, Carried<F>>()

  constructor(constants: Constants, shapes: Shapes, rules: FlowRules<F>) {
    this.#constants = constants
    this.#shapes = shapes
    this.#rules = rules
  }

  facts(value: string): readonly F[] | undefined {
    const carried = this.#values.get(value)
    const single = singleAxis(carried?.map)
    return single && Array.from(single.ids, (id) => carried?.facts[id] ?? this.#rules.unknown)
  }

  put(value: string, axis: number, facts: readonly F[]): void {
    this.#set(value, { map: onAxis(axis, Int32Array.from(facts.keys())), facts })
  }

  #set(value: string, carried: Carried<F>): void {
    this.#values.set(value, carried)
    const { refine } = this.#rules
    const facts = refine && this.facts(value)
    const single = singleAxis(carried.map)
    if (!facts || !single) return
    this.#values.set(value, {
      map: onAxis(single.axis, Int32Array.from(facts.keys())),
      facts: refine(value, facts),
    })
  }

  pass(node: Node): void {
    const layer = layerOf(node, this.#constants)
    const input = this.#values.get(node.inputs[0] ?? '')
    if (layer) this.#passLayer(layer)
    else if (isOp(node, ...COMBINE)) this.#combine(node)
    else if (!input) return
    else if (isOp(node, ...SPATIAL)) this.#trace(node, (fact) => this.#rules.spatial(node, fact))
    else if (isOp(node, ...MOVEMENT)) this.#trace(node, (fact) => fact)
    else if (factsOf(node).elementwise) this.#elementwise(node, input)
  }

  #elementwise(node: Node, input: Carried<F>): void {
    const output = node.outputs[0] ?? ''
    const single = singleAxis(input.map)
    const through = (fact: F, channel?: number) =>
      this.#rules.elementwise(node, fact, (index) => this.#constantAt(node, index, channel))
    if (single)
      this.put(
        output,
        single.axis,
        Array.from(single.ids, (id, channel) => through(input.facts[id] ?? this.#rules.unknown, channel)),
      )
    else this.#set(output, { map: input.map, facts: input.facts.map((fact) => through(fact)) })
  }

  #passLayer(layer: Layer): void {
    const { node, view } = layer
    if (!view || intAttribute(node, 'transA', 0) === 1) return
    const data = node.inputs[0] ?? ''
    const [rank, outRank] = [data, node.outputs[0] ?? ''].map((value) => this.#shapes.get(value)?.dims.length ?? 0)
    const last = layer.facts.channels === 'last'
    const count = view.inputsPerGroup * view.groups
    const single = singleAxis(this.#values.get(data)?.map)
    const seen = single?.axis === (last ? (rank ?? 0) - 1 : 1) ? this.facts(data) : undefined
    const inputs = seen?.length === count ? seen : Array<F>(count).fill(this.#rules.unknown)
    const axis = last ? (outRank ?? 0) - 1 : 1
    if (axis >= 1) this.put(node.outputs[0] ?? '', axis, this.#rules.layer({ ...layer, view }, inputs))
  }

  /** Channels of a node's outputs, found with the rules that all algorithms share; channels added by Pad are 0. */
  #trace(node: Node, change: (fact: F) => F): void {
    const scope = new ChannelScope('scale', this.#constants, this.#shapes)
    const facts: F[] = []
    for (const input of new Set(node.inputs)) {
      const carried = this.#values.get(input)
      if (!carried) continue
      const [from = 0] = scope.sets.add(carried.facts.length)
      scope.set(input, { ...carried.map, ids: carried.map.ids.map((id) => id + from) })
      facts.push(...carried.facts)
    }
    passNode(scope, node)
    const changed = facts.map(change)
    const added = scope.sets.size - facts.length
    for (let i = 0; i < added; i++) changed.push(this.#rules.constant([0]))
    for (const output of node.outputs) {
      const map = scope.map(output)
      if (map) this.#set(output, { map, facts: changed })
    }
  }

  #combine(node: Node): void {
    const output = node.outputs[0] ?? ''
    const dims = this.#shapes.get(output)?.dims
    const names = node.inputs.filter((name) => name !== '')
    const main = names.find((name) => this.#values.has(name) && this.#shapes.get(name)?.dims.join() === dims?.join())
    const single = singleAxis(this.#values.get(main ?? '')?.map)
    if (!dims || !single) return
    const count = single.ids.length
    const operands = names.map((name) => this.#operand(name, dims.length, single.axis, count))
    const facts = Array.from({ length: count }, (_, c) =>
      this.#rules.combine(
        node,
        operands.map((list) => list?.[c] ?? this.#rules.unknown),
      ),
    )
    this.put(output, single.axis, facts)
  }

  #operand(name: string, rank: number, axis: number, count: number): readonly F[] | undefined {
    const tensor = this.#constants(name)
    if (!tensor) {
      const own = singleAxis(this.#values.get(name)?.map)
      const ownRank = this.#shapes.get(name)?.dims.length ?? 0
      return own && own.axis + rank - ownRank === axis && own.ids.length === count ? this.facts(name) : undefined
    }
    const values = tensor.floats()
    const at = axis - (rank - tensor.shape.length)
    const size = at >= 0 ? (tensor.shape[at] ?? 1) : 1
    const inner = tensor.shape.slice(at + 1).reduce((product, dim) => product * dim, 1)
    const lists = Array.from({ length: size }, (): number[] => [])
    for (const [i, value] of values.entries()) lists[size === 1 ? 0 : Math.floor(i / inner) % size]?.push(value)
    const facts = lists.map((list) => this.#rules.constant(list))
    return Array.from({ length: count }, (_, c) => facts[size === 1 ? 0 : c] ?? this.#rules.unknown)
  }

  /** A constant input that is one number, or one number a channel. */
  #constantAt(node: Node, index: number, channel: number | undefined): number | undefined {
    const tensor = this.#constants(node.inputs[index])
    if (!tensor) return undefined
    return tensor.size === 1 ? tensor.floats()[0] : channel === undefined ? undefined : tensor.floats()[channel]
  }
}
