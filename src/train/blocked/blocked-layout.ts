// A training graph with its convolutions, and what lies between them, in ONNX Runtime's blocked layout.
import { sizeOf } from '../../base/index.ts'
import {
  GraphEditor,
  intAttribute,
  intsAttribute,
  isOp,
  type Model,
  type Node,
  readsOf,
  sortNodes,
} from '../../onnx/index.ts'
import { Emitter, type Known } from '../graph/emitter.ts'
import { blockedForm, emitBlockedConv } from './conv.ts'
import { Layouts } from './layouts.ts'

/** Operators of one result that go through element by element: they do not care where an element lies. */
const UNARY = [
  'Relu',
  'LeakyRelu',
  'Clip',
  'Sigmoid',
  'Tanh',
  'HardSigmoid',
  'HardSwish',
  'Elu',
  'Softplus',
  'Erf',
].concat(['Exp', 'Sqrt', 'Abs', 'Neg', 'Sign', 'Round', 'Cast'])
const BINARY = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal']
const ELEMENTWISE = new Set([...UNARY, ...BINARY])

/**
 * The same function with blocked convolutions where they pay. ONNX Runtime does this itself for constant weights ("NCHWc"); in
 * a training graph weights are inputs, so it is done here.
 * 1. Conv → blocked Conv, its weight reordered in the graph, with an Add and a Relu behind it that nobody else reads;
 * 2. element-wise operators stay blocked between blocked values;
 * 3. the maps of all samples as channels of one picture, and a map as a depthwise weight: the same bytes, read as another shape;
 * 4. the sum over all but the channels: a product with ones, then a sum of what is left; the sum over everything.
 * Everything else reads the plain layout, which is made once when the first asks.
 * @param block channels of a block, as `blockSize` found it
 */
export function withBlockedLayout(model: Model, shapes: ReadonlyMap<string, Known>, block: number): Model {
  if (block === 0) return model
  const editor = new GraphEditor(model)
  const g = new Emitter(editor, shapes)
  const pass = new Pass(new Layouts(g, block))
  for (const node of sortNodes(editor.nodes())) pass.visit(node)
  for (const { name } of editor.graph.outputs) pass.layouts.plain(name)
  return editor.finish()
}

class Pass {
  readonly layouts: Layouts
  /** Values whose nodes were visited. */
  readonly #known = new Set<string>()
  readonly #done = new Set<Node>()

  constructor(layouts: Layouts) {
    this.layouts = layouts
    const { graph } = layouts.g.editor
    for (const { name } of graph.inputs) this.#known.add(name)
    for (const name of graph.initializers.keys()) this.#known.add(name)
  }

  visit(node: Node): void {
    if (!this.#done.has(node) && !this.#lowered(node)) for (const value of readsOf(node)) this.layouts.plain(value)
    for (const output of node.outputs) this.#known.add(output)
  }

  #lowered(node: Node): boolean {
    return this.#conv(node) || this.#elementwise(node) || this.#sameBytes(node) || this.#sum(node)
  }

  #conv(node: Node): boolean {
    const form = blockedForm(this.layouts, node)
    if (!form) return false
    const { editor } = this.layouts.g
    let value = node.outputs[0] ?? ''
    let next = editor.soleConsumer(value)
    let sum: string | undefined
    if (next && isOp(next, 'Add')) {
      const other = next.inputs.find((input) => input !== value) ?? value
      const same = this.layouts.g.dims(other).join() === this.layouts.g.dims(value).join()
      if (same && other !== value && this.#known.has(other) && this.layouts.canBlock(other)) {
        sum = other
        value = this.#absorb(next)
        next = editor.soleConsumer(value)
      }
    }
    const relu = next && isOp(next, 'Relu') ? next : undefined
    if (relu) value = this.#absorb(relu)
    emitBlockedConv(this.layouts, node, form, { value, sum, relu: relu !== undefined })
    editor.removeNode(node)
    return true
  }

  /** Takes a node out of the graph and returns its output. */
  #absorb(node: Node): string {
    this.#done.add(node)
    this.layouts.g.editor.removeNode(node)
    return node.outputs[0] ?? ''
  }

  #elementwise(node: Node): boolean {
    if (node.domain !== '' || !ELEMENTWISE.has(node.opType) || node.outputs.length !== 1) return false
    const { layouts } = this
    const { g } = layouts
    const value = node.outputs[0] ?? ''
    const { dims, dtype } = g.known(value)
    const maps = node.inputs.filter((input) => input !== '' && g.size(input) !== 1)
    if (dims.length !== 4 || !maps.some((input) => layouts.isMissing(input))) return false
    if (!maps.every((input) => g.dims(input).join() === dims.join() && layouts.canBlock(input))) return false
    // In added channels 0/0 would be NaN, which a convolution spreads although their weights are 0.
    const divides = isOp(node, 'Div') && maps.includes(node.inputs[1] ?? '')
    if (divides && (dims[1] ?? 1) % layouts.block !== 0) return false
    // Only float32 can be brought back into the plain layout.
    const casts = g.editor.consumers(value).every((next) => isOp(next, 'Cast') && g.isFloat(next.outputs[0] ?? ''))
    if (dtype !== 'float32' && (g.editor.isOutput(value) || g.editor.isCaptured(value) || !casts)) return false
    const [batch = 1, channels = 1, ...map] = dims
    const inputs = node.inputs.map((input) => (maps.includes(input) ? layouts.blocked(input) : input))
    const attributes = Object.fromEntries(node.attributes)
    const name = g.typed(g.add(node.opType, inputs, [batch, layouts.filled(channels), ...map], attributes), dtype)
    g.editor.removeNode(node)
    layouts.made(value, name)
    return true
  }

  /** Reshape of [N, C, …] to [1, N·C, …] or [N·C, 1, …]; C of whole blocks. */
  #sameBytes(node: Node): boolean {
    if (!isOp(node, 'Reshape')) return false
    const { layouts } = this
    const { g, block } = layouts
    const [x = ''] = node.inputs
    const [value = ''] = node.outputs
    const [from, to] = [g.dims(x), g.dims(value)]
    const [batch = 1, channels = 1, ...map] = from
    const maps = batch * channels
    if (!layouts.isMissing(x) || from.length !== 4 || to.length !== 4 || channels % block !== 0) return false
    if (to.slice(2).join() !== map.join()) return false
    const merged = to[0] === 1 && to[1] === maps
    if (!merged && !(to[0] === maps && to[1] === 1)) return false
    const name = g.reshape(layouts.blocked(x), to)
    const plain = () => {
      layouts.plain(x)
      g.editor.addNode({ opType: 'Reshape', inputs: node.inputs, outputs: [value] })
    }
    g.editor.removeNode(node)
    if (merged) layouts.made(value, name, plain)
    else layouts.madeFilter(value, name, plain)
    return true
  }

  /** ReduceSum over [0, 2, 3], or over everything, of a value that exists blocked only. */
  #sum(node: Node): boolean {
    if (!isOp(node, 'ReduceSum') || intAttribute(node, 'noop_with_empty_axes', 0) !== 0) return false
    const { layouts } = this
    const { g, block } = layouts
    const [x = '', axes] = node.inputs
    const list = g.editor.constant(axes)?.numbers() ?? intsAttribute(node, 'axes') ?? []
    const [value = ''] = node.outputs
    const dims = g.dims(x)
    const over = [...list].join()
    const everything = over === '0,1,2,3' && (dims[1] ?? 1) % block === 0
    if (!layouts.isMissing(x) || dims.length !== 4 || !(everything || over === '0,2,3')) return false
    const total = everything ? g.sum(layouts.blocked(x), [0, 1, 2, 3]) : this.#channelSums(x, dims)
    g.editor.removeNode(node)
    g.editor.addNode({ opType: 'Reshape', inputs: [total, g.ints(g.dims(value))], outputs: [value] })
    return true
  }

  #channelSums(x: string, dims: readonly number[]): string {
    const { layouts } = this
    const { g, block } = layouts
    const [batch = 1, channels = 1, ...map] = dims
    const positions = sizeOf(map)
    const filled = layouts.filled(channels)
    const rows = g.reshape(layouts.blocked(x), [(batch * filled) / block, positions, block])
    const sums = g.reshape(g.matMul(g.filled([1, positions], 1), rows), [batch, filled])
    return g.slice(g.sum(sums, [0]), [0], { starts: [0], ends: [channels] })
  }
}
