// Where Q/DQ goes: which nodes run in integers, which tensors need a grid, and why the rest stays float.
import {
  type Bounds,
  type Consumers,
  capturesOf,
  constantsOf,
  consumersOf,
  type DType,
  factsOf,
  floatAttribute,
  type Graph,
  intAttribute,
  intsAttribute,
  isOp,
  type Layer,
  layerOf,
  type Model,
  type Node,
  nodeName,
  stringAttribute,
  subgraphsOf,
  type Tensor,
} from '../onnx/index.ts'
import { biasAddOf } from './bias-add.ts'
import { embeddingsOf } from './embeddings.ts'
import { type Heard, heardOf, type Surroundings } from './heard.ts'
import type { QuantizeOptions } from './options.ts'
import { selector } from './select.ts'
import type { Target, TargetOp } from './targets/target.ts'

/** A tensor that gets a grid. */
export interface PlacedTensor {
  readonly value: string
  /** The tensor whose grid this one shares, because codes are only moved between them. */
  readonly gridOf: string
  /** Bounds of what produces it. */
  readonly bounds: Bounds
  /** What its readers can hear of it, when that is less than all. */
  readonly heard?: Heard
  /** Made by an integer operator: then every reader must read behind Q/DQ, or the operator does not fuse. */
  readonly integerProducer: boolean
}

export interface Placement {
  /** Integer layers by their node. */
  readonly layers: ReadonlyMap<Node, Layer>
  /** Float layers whose weight is stored in codes. */
  readonly stored: ReadonlyMap<Node, Layer>
  readonly integer: ReadonlySet<Node>
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
  /** Nodes that could have been integer by their operator, and why they are not. */
  readonly reasons: ReadonlyMap<Node, string>
}

/** A mask of −1e9 is no data: an Add that carries one into a Softmax must not set a range. */
const MASK = -1e4

/**
 * Decides on the placement for a target. Layers become integer wherever the kernel exists; other operators only between
 * integer neighbours, because alone they cost two conversions and gain none.
 */
export function place(
  model: Model,
  target: Target,
  options: QuantizeOptions,
  types: ReadonlyMap<string, DType>,
): Placement {
  return new Placer(model, target, options, types).place()
}

class Placer {
  readonly #graph: Graph
  readonly #options: QuantizeOptions
  readonly #nodes: readonly Node[]
  readonly #constants: (value: string | undefined) => Tensor | undefined
  readonly #types: ReadonlyMap<string, DType>
  readonly #target: Target
  readonly #ops: ReadonlyMap<string, TargetOp>
  readonly #producers = new Map<string, Node>()
  readonly #consumers: Consumers
  readonly #outputs: ReadonlySet<string>
  readonly #around: Surroundings
  readonly #overridable: ReadonlyMap<string, unknown>
  readonly #excluded: (node: Node) => string | undefined
  readonly #floatValues: ReadonlySet<string>
  readonly #layers = new Map<Node, Layer>()
  readonly #stored = new Map<Node, Layer>()
  readonly #set = new Set<Node>()
  readonly #reasons = new Map<Node, string>()

  constructor(model: Model, target: Target, options: QuantizeOptions, types: ReadonlyMap<string, DType>) {
    this.#graph = model.graph
    this.#options = options
    this.#nodes = model.graph.nodes
    this.#constants = constantsOf(model.graph)
    this.#types = types
    this.#target = target
    this.#ops = new Map(target.ops.map((op) => [op.op, op]))
    this.#overridable = model.graph.overridable ?? new Map()
    this.#outputs = new Set(model.graph.outputs.map((output) => output.name))
    for (const node of this.#nodes) for (const output of node.outputs) this.#producers.set(output, node)
    this.#consumers = consumersOf(this.#nodes)
    const captured = this.#nodes.flatMap((node) => subgraphsOf(node).flatMap((graph) => [...capturesOf(graph)]))
    this.#around = {
      consumers: this.#consumers,
      constants: this.#constants,
      outputs: new Set([...this.#outputs, ...captured]),
    }
    this.#floatValues = options.floatValues ?? new Set()
    const exclude = selector(options.exclude, this.#nodes, '--exclude')
    const only = options.only.length > 0 ? selector(options.only, this.#nodes, '--only') : () => true
    this.#excluded = (node) =>
      exclude(node) ? 'excluded by --exclude' : only(node) ? undefined : 'not named by --only'
  }

  place(): Placement {
    for (const node of this.#nodes) this.#consider(node)
    this.#keepFloat()
    this.#prune()
    const caps = new Map(
      [...this.#set].flatMap((node) => (this.#isCap(node) ? [[this.#dataInputs(node)[0] ?? '', node] as const] : [])),
    )
    const tensors = this.#tensors(caps)
    const lacking = this.#nodes.filter((node) => this.#role(node)?.lacks?.some((name) => node.attributes.has(name)))
    const shielded = new Set(lacking.filter((node) => this.#lacking(node) !== undefined))
    const surplus = new Map(lacking.map((node) => [node, this.#role(node)?.lacks ?? []] as const))
    for (const node of shielded) surplus.delete(node)
    const apart = this.#apart(tensors)
    return {
      layers: this.#layers,
      stored: this.#stored,
      integer: this.#set,
      embeddings: this.#embeddings(),
      tensors,
      caps,
      shielded,
      surplus,
      apart,
      reasons: this.#reasons,
    }
  }

  #embeddings(): ReadonlyMap<Node, Tensor> {
    if (this.#options.embeddings === 'float') return new Map()
    return embeddingsOf({
      graph: this.#graph,
      types: this.#types,
      excluded: (node) => this.#excluded(node) !== undefined,
      layers: this.#layers,
    })
  }

  /** The attribute of a node that its integer kernel lacks. */
  #lacking(node: Node): string | undefined {
    return this.#role(node)?.lacks?.find((name) => intsAttribute(node, name)?.some((value) => value !== 1))
  }

  #consider(node: Node): void {
    const op = this.#role(node)
    const layer = layerOf(node, this.#constants)
    const known = this.#target.floatReasons[node.opType]
    if (!op || op.role === 'activation') {
      if (layer || known)
        this.#reasons.set(node, known ?? `${this.#target.name} has no integer kernel for ${node.opType}`)
      if (layer && this.#target.storesWeight.includes(node.opType) && !this.#excluded(node) && isStorable(layer))
        this.#stored.set(node, layer)
      return
    }
    const reason =
      this.#excluded(node) ??
      this.#whyNoRange(node) ??
      (op.role === 'layer' ? this.#whyNoLayer(node, layer) : this.#whyNotInteger(node))
    if (reason) {
      this.#reasons.set(node, reason)
      return
    }
    if (op.role === 'layer' && layer) this.#layers.set(node, layer)
    this.#set.add(node)
  }

  /** What may be fed has no range that holds. */
  #whyNoRange(node: Node): string | undefined {
    const fed = node.inputs.find((input) => this.#overridable.has(input))
    return fed === undefined ? undefined : `"${fed}" has a default, and may be fed something else`
  }

  #whyNoLayer(node: Node, layer: Layer | undefined): string | undefined {
    if (!layer) return isOp(node, 'MatMul') ? 'both operands are activations' : 'its weight is no constant'
    if (layer.weight.dtype !== 'float32') return `its weight is ${layer.weight.dtype}`
    if (layer.weightIndex !== 1 || !layer.view) return 'its weight is no matrix on the right'
    const data = this.#types.get(node.inputs[0] ?? '')
    if (data !== 'float32') return `its input is ${data ?? 'of unknown type'}`
    if (node.inputs[2] && !layer.bias) return 'its bias is no constant vector'
    if (!isOp(node, 'Gemm')) return undefined
    if (intAttribute(node, 'transA', 0) !== 0) return 'its left operand is transposed'
    if (floatAttribute(node, 'alpha', 1) !== 1 || floatAttribute(node, 'beta', 1) !== 1) return 'alpha or beta is not 1'
    return layer.bias && layer.bias.size !== layer.view.outputs ? 'its bias is no vector' : undefined
  }

  #whyNotInteger(node: Node): string | undefined {
    if (this.#role(node)?.role === 'cap') return this.#whyNoCap(node)
    const lacking = this.#lacking(node)
    if (lacking !== undefined) return `${this.#target.name} has no integer kernel for ${node.opType} with ${lacking}`
    const inputs = this.#dataInputs(node)
    for (const input of inputs) {
      if (this.#constants(input)) return 'one operand is a constant'
      const type = this.#types.get(input)
      if (type !== 'float32') return `its input is ${type ?? 'of unknown type'}`
    }
    if (node.outputs.filter((output) => output !== '').length > 1 && !isOp(node, 'Split'))
      return 'it has a second output'
    if (isOp(node, 'Add') && this.#carriesMask(node)) return 'it carries an attention mask'
    return undefined
  }

  #whyNoCap(node: Node): string | undefined {
    const [input, ...others] = this.#dataInputs(node)
    if (!input || others.length > 0 || node.inputs.length !== 2) return 'it has no constant operand'
    if (this.#types.get(input) !== 'float32') return `its input is ${this.#types.get(input) ?? 'of unknown type'}`
    if (this.#consumers.get(input)?.length !== 1 || this.#outputs.has(input)) return 'its input is used elsewhere too'
    const constant = this.#constants(node.inputs.find((name) => name !== input))
    if (constant?.dtype !== 'float32' || constant.shape.filter((size) => size > 1).length > 1)
      return 'its constant is no number for each channel'
    // A grid that reaches below the activation in front would stop that one's fusion.
    return constant.floats().every((cap) => cap >= 0) ? undefined : 'it caps below 0'
  }

  #isCap(node: Node): boolean {
    return this.#role(node)?.role === 'cap'
  }

  #carriesMask(node: Node): boolean {
    const softmax = this.#consumers.get(node.outputs[0] ?? '')?.some((consumer) => isOp(consumer, 'Softmax'))
    return (
      softmax === true &&
      node.inputs.some((input) =>
        this.#constants(input)
          ?.floats()
          .some((value) => value <= MASK),
      )
    )
  }

  /** Inputs that carry codes: all of an Add, Mul or Concat, the first of the others. */
  #dataInputs(node: Node): string[] {
    if (this.#isCap(node)) return node.inputs.filter((input) => input !== '' && !this.#constants(input))
    return isOp(node, 'Add', 'Mul', 'Concat') ? node.inputs.filter((input) => input !== '') : [node.inputs[0] ?? '']
  }

  #role(node: Node): TargetOp | undefined {
    const op = node.domain === '' ? this.#ops.get(node.opType) : undefined
    if (!op?.when) return op
    const { attribute, is, usual } = op.when
    return stringAttribute(node, attribute, usual) === is ? op : undefined
  }

  /**
   * The Relu or Clip that disappears into a node, when its result goes nowhere else. Every grid has a code for 0: where 0 is out of
   * bounds the grid is wider than they are, and ONNX Runtime does not fuse.
   */
  #fusedActivation(node: Node): Node | undefined {
    if (this.#role(node)?.role === 'pass-through') return undefined
    const output = node.outputs[0] ?? ''
    const [next, ...others] = this.#consumers.get(output) ?? []
    if (!next || others.length > 0 || this.#outputs.has(output) || this.#excluded(next)) return undefined
    if (this.#role(next)?.role !== 'activation' || next.inputs[0] !== output) return undefined
    const bounds = factsOf(next).bounds?.(next, this.#constants)
    return bounds && bounds.low <= 0 && bounds.high >= 0 ? next : undefined
  }

  /** The constant Add behind a MatMul, which ONNX Runtime makes the bias of one integer kernel. */
  #biasOf(node: Node): Node | undefined {
    if (!this.#layers.has(node) || this.#outputs.has(node.outputs[0] ?? '')) return undefined
    const added = biasAddOf(node, this.#consumers, this.#constants)
    return added?.tensor.size === this.#layers.get(node)?.view?.outputs ? added?.add : undefined
  }

  /** What a node hands on: the value behind its bias and activation. */
  #resultOf(node: Node): string {
    const last = this.#biasOf(node) ?? node
    return (this.#fusedActivation(last) ?? last).outputs[0] ?? ''
  }

  #results(node: Node): string[] {
    return isOp(node, 'Split') ? [...node.outputs] : [this.#resultOf(node)]
  }

  /** Takes out what would need a grid for a value that has none. */
  #keepFloat(): void {
    if (this.#floatValues.size === 0) return
    for (const node of [...this.#set]) {
      const needed = this.#role(node)?.output === 'optional' ? [] : this.#results(node)
      const value = [...this.#dataInputs(node), ...needed].find((name) => this.#floatValues.has(name))
      if (value === undefined) continue
      this.#set.delete(node)
      this.#layers.delete(node)
      this.#reasons.set(node, `an integer grid for "${value}" costs too much of the outputs`)
    }
  }

  #prune(): void {
    const made = new Map<string, Node>()
    for (const node of this.#set) for (const result of this.#results(node)) made.set(result, node)
    let changed = true
    while (changed) {
      changed = false
      for (const node of this.#set) {
        if (this.#layers.has(node)) continue
        const fed = this.#dataInputs(node).some((input) => this.#set.has(made.get(input) ?? node) && made.has(input))
        const readers = this.#results(node).map((result) => this.#consumers.get(result) ?? [])
        const read = isOp(node, 'Split')
          ? readers.every((list) => list.some((reader) => this.#set.has(reader)))
          : readers.some((list) => list.some((reader) => this.#set.has(reader)))
        if (fed && read) continue
        this.#set.delete(node)
        this.#reasons.set(node, fed ? 'no integer operator reads it' : 'no integer operator feeds it')
        changed = true
      }
    }
  }

  #tensors(caps: ReadonlyMap<string, Node>): Map<string, PlacedTensor> {
    const tensors = new Map<string, PlacedTensor>()
    const add = (value: string, own: string, integerProducer: boolean) => {
      const known = tensors.get(value)
      if (known && (known.integerProducer || !integerProducer)) return
      // What is capped needs no grid above its caps.
      const gridOf = caps.get(value)?.outputs[0] ?? own
      const heard = heardOf(value, this.#around)
      tensors.set(value, { value, gridOf, integerProducer, bounds: this.#bounds(value), ...(heard ? { heard } : {}) })
    }
    for (const node of this.#nodes) {
      if (!this.#set.has(node)) continue
      for (const input of this.#dataInputs(node)) add(input, input, false)
      const role = this.#role(node)
      const results = this.#results(node)
      if (role?.role === 'pass-through') {
        const input = node.inputs[0] ?? ''
        const gridOf = tensors.get(input)?.gridOf ?? input
        for (const result of results) add(result, gridOf, true)
        continue
      }
      const needed =
        role?.output !== 'optional' ||
        results.some(
          (result) =>
            !this.#floatValues.has(result) && this.#consumers.get(result)?.some((reader) => this.#set.has(reader)),
        )
      if (needed) for (const result of results) add(result, result, true)
    }
    return tensors
  }

  #apart(tensors: ReadonlyMap<string, PlacedTensor>): Map<Node, Bounds> {
    const apart = new Map<Node, Bounds>()
    for (const node of this.#layers.keys()) {
      if (this.#role(node)?.losesToActivation !== true || this.#biasOf(node)) continue
      const activation = this.#fusedActivation(node)
      const bounds = activation && factsOf(activation).bounds?.(activation, this.#constants)
      if (activation && bounds && !tensors.has(activation.outputs[0] ?? '')) apart.set(activation, bounds)
    }
    return apart
  }

  /** Bounds of a value, seen through operators that only move elements. */
  #bounds(value: string): Bounds {
    const free = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
    const node = this.#producers.get(value)
    if (!node) return free
    const facts = factsOf(node)
    if (facts.movesData) return this.#bounds(node.inputs[0] ?? '')
    if (this.#set.has(node) && this.#isCap(node)) {
      const [input = ''] = this.#dataInputs(node)
      const caps = this.#constants(node.inputs.find((name) => name !== input))?.floats() ?? []
      return { low: this.#bounds(input).low, high: Math.max(...caps) }
    }
    return facts.bounds?.(node, this.#constants) ?? free
  }
}

const isStorable = ({ weight, weightIndex }: Layer) => weight.dtype === 'float32' && weightIndex === 1

/** Name and reason of each layer that stays float. */
export function floatLayers(model: Model, placement: Placement): { name: string; reason: string }[] {
  const constants = constantsOf(model.graph)
  return model.graph.nodes
    .filter((node) => layerOf(node, constants) && !placement.layers.has(node))
    .map((node) => ({ name: nodeName(node), reason: placement.reasons.get(node) ?? `${node.opType} stays float` }))
}
