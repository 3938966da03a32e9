// What placement looks things up in: the graph around a node, and the role that the target gives it.
import {
  type Constants,
  type Consumers,
  constantsOf,
  consumersOf,
  type DType,
  factsOf,
  type Graph,
  intsAttribute,
  isOp,
  type Layer,
  layerOf,
  type Model,
  type Node,
  nodeName,
  readsOf,
  stringAttribute,
} from '../../onnx/index.ts'
import { biasAddOf } from '../bias-add.ts'
import type { QuantizeOptions } from '../options.ts'
import { overridesOf } from '../overrides.ts'
import { selector } from '../select.ts'
import type { TargetOp } from '../targets/target.ts'

/** Why something stays float. */
const FLOAT = 'left in float by --overrides'
const UNNAMED = 'the encodings do not name'

/** A graph as placement sees it; nothing in it changes. */
export class Scope {
  readonly graph: Graph
  readonly options: QuantizeOptions
  readonly types: ReadonlyMap<string, DType>
  readonly constants: Constants
  readonly consumers: Consumers
  readonly producers: ReadonlyMap<string, Node>
  readonly outputs: ReadonlySet<string>
  readonly floatValues: ReadonlyMap<string, string>
  /** Value that a graph inside a node reads → the node. */
  readonly readInside: ReadonlyMap<string, string>
  /** Why a node is left out by its name, as one clause. */
  readonly excluded: (node: Node) => string | undefined
  readonly #ops: ReadonlyMap<string, TargetOp>

  /** @throws UsageError for a pattern that fits no node */
  constructor(model: Model, options: QuantizeOptions, types: ReadonlyMap<string, DType>) {
    const { nodes, outputs } = model.graph
    this.graph = model.graph
    this.options = options
    this.types = types
    this.constants = constantsOf(model.graph)
    this.consumers = consumersOf(nodes)
    this.producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
    this.readInside = new Map(
      nodes.flatMap((node) => {
        const direct = new Set(node.inputs)
        return [...readsOf(node)].filter((value) => !direct.has(value)).map((value) => [value, nodeName(node)] as const)
      }),
    )
    this.outputs = new Set(outputs.map((output) => output.name))
    const said = overridesOf(options.overrides, nodes)
    const floats = [...said].flatMap(([name, { float }]) => (float ? [[name, FLOAT] as const] : []))
    this.#ops = new Map(options.target.ops.map((op) => [op.op, op]))
    this.floatValues = new Map([...this.#unnamed(), ...(options.floatValues ?? []), ...floats])
    const exclude = selector(options.exclude, nodes, '--exclude')
    const only = options.only.length > 0 ? selector(options.only, nodes, '--only') : () => true
    this.excluded = (node) =>
      exclude(node)
        ? 'excluded by --exclude'
        : said.get(nodeName(node))?.float
          ? FLOAT
          : !only(node)
            ? 'not named by --only'
            : this.#unnamedWeight(node)
  }

  /** Values that encodings leave out, each with its reason: what only moves codes hands a grid on in both directions. */
  #unnamed(): Map<string, string> {
    const { given } = this.options
    if (!given?.namesValues) return new Map()
    const named = new Set(given.activations.keys())
    const movers = this.nodes.filter((node) => ['pass-through', 'cap'].includes(this.role(node)?.role ?? ''))
    for (const node of movers)
      if (named.has(this.dataInputs(node)[0] ?? '')) for (const output of node.outputs) named.add(output)
    for (const node of movers.toReversed())
      if (node.outputs.some((output) => named.has(output))) named.add(this.dataInputs(node)[0] ?? '')
    const values = this.nodes.flatMap((node) => [...node.inputs, ...node.outputs])
    return new Map(values.filter((value) => !named.has(value)).map((value) => [value, `${UNNAMED} "${value}"`]))
  }

  /** Why a layer or table is left out whose constant encodings leave out. */
  #unnamedWeight(node: Node): string | undefined {
    const { given } = this.options
    if (!given?.namesWeights) return undefined
    const name = nodeName(node)
    const has = given.weights.has(name) || given.tables.has(name)
    const weight = isOp(node, 'Gather') ? 0 : (layerOf(node, this.constants)?.weightIndex ?? -1)
    return has || !this.constants(node.inputs[weight]) ? undefined : `${UNNAMED} its weight`
  }

  get nodes(): readonly Node[] {
    return this.graph.nodes
  }

  role(node: Node): TargetOp | undefined {
    const op = node.domain === '' ? this.#ops.get(node.opType) : undefined
    if (op?.ofValues && !layerOf(node, this.constants)) return { op: op.op, role: 'integer', reads: 'all' }
    if (!op?.when) return op
    const { attribute, is, usual } = op.when
    return stringAttribute(node, attribute, usual) === is ? op : undefined
  }

  isCap(node: Node): boolean {
    return this.role(node)?.role === 'cap'
  }

  /** The attribute of a node that its integer kernel lacks. */
  lacking(node: Node): string | undefined {
    return this.role(node)?.lacks?.find((name) => intsAttribute(node, name)?.some((value) => value !== 1))
  }

  /** Inputs that carry codes. */
  dataInputs(node: Node): string[] {
    if (this.isCap(node)) return node.inputs.filter((input) => input !== '' && !this.constants(input))
    const reads = this.role(node)?.reads
    if (!reads) return [node.inputs[0] ?? '']
    return node.inputs.filter((input) => input !== '' && !(reads === 'unfused' && this.#comesFused(input)))
  }

  /** Is a value the result of a layer, its bias and activation included, that one node alone reads? */
  #comesFused(value: string): boolean {
    if (this.consumers.get(value)?.length !== 1 || this.outputs.has(value)) return false
    let node = this.producers.get(value)
    for (let step = 0; step < 3 && node; step++) {
      const layer = this.role(node)?.role === 'layer' ? layerOf(node, this.constants) : undefined
      if (layer) return this.results(node, layer).includes(value)
      node = this.producers.get(node.inputs[0] ?? '')
    }
    return false
  }

  /**
   * The Relu or Clip that disappears into a node, when its result goes nowhere else. Every grid has a code for 0: where 0 is out of
   * bounds the grid is wider than they are.
   */
  fusedActivation(node: Node): Node | undefined {
    if (this.role(node)?.role === 'pass-through') return undefined
    const output = node.outputs[0] ?? ''
    const [next, ...others] = this.consumers.get(output) ?? []
    if (!next || others.length > 0 || this.outputs.has(output) || this.excluded(next)) return undefined
    if (this.role(next)?.role !== 'activation' || next.inputs[0] !== output) return undefined
    const bounds = factsOf(next).bounds?.(next, this.constants)
    if (!this.options.target.fusion.blockedBy.includes('wider-grid')) return next
    return bounds && bounds.low <= 0 && bounds.high >= 0 ? next : undefined
  }

  /** Does a node disappear into the integer operator before it? */
  isFused(node: Node, integer: ReadonlySet<Node>): boolean {
    const [before] = node.inputs.map((input) => this.producers.get(input))
    if (!before || this.fusedActivation(before) !== node) return false
    if (integer.has(before)) return true
    const maker = before.inputs.map((input) => this.producers.get(input)).find((each) => each && integer.has(each))
    return maker !== undefined && this.biasOf(maker, layerOf(maker, this.constants)) === before
  }

  /** The constant Add behind a MatMul that is an integer layer, which becomes the bias of one integer kernel. */
  biasOf(node: Node, layer: Layer | undefined): Node | undefined {
    if (!layer || this.outputs.has(node.outputs[0] ?? '')) return undefined
    const added = biasAddOf(node, this.consumers, this.constants)
    return added?.tensor.size === layer.view?.outputs ? added?.add : undefined
  }

  /** What a node hands on: the values behind its bias and activation. */
  results(node: Node, layer: Layer | undefined): string[] {
    if (this.role(node)?.gives === 'all') return [...node.outputs]
    const last = this.biasOf(node, layer) ?? node
    return [(this.fusedActivation(last) ?? last).outputs[0] ?? '']
  }
}
