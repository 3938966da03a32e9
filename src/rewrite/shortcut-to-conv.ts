// A residual shortcut of Slice and Pad → 1×1 Conv. ONNX Runtime has no blocked kernel for Slice and Pad: they, the Add behind
// them and every Add after that run in the plain layout, with a change of layout before and after each.
import { type GraphEditor, intsAttr, isOp, type Node, stringAttribute, Tensor } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** What a chain of Slices and Pads does to a map [N, C, H, W]. */
interface Selection {
  readonly source: string
  /** Every how manieth row and column is kept, from the first on. */
  readonly strides: readonly [number, number]
  /** Channels of zeros before and behind those of the source. */
  readonly pads: readonly [number, number]
  readonly nodes: readonly Node[]
}

/**
 * Replaces Slices of every s-th row and column and Pads of zero channels, where they lead into an Add with a convolution
 * (the parameter-free shortcut of arXiv 1512.03385, section 4.2, option A), by a Conv whose 1×1 kernel is the identity.
 * Exact for finite values. Adds multiplications, a fraction of those of the block, and saves time where the blocked layout
 * is kept: applied when it is named, or by a latency budget when a timing says so.
 */
export const shortcutToConv: Rewrite = defineRewrite({
  name: 'shortcut-to-conv',
  kind: 'exact',
  summary:
    'turns residual shortcuts of Slice and Pad into 1×1 convolutions, which keep the blocked layout of CPU kernels',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const add of editor.nodes('Add'))
        for (const [operand, value] of add.inputs.entries()) {
          const selection = selectionBefore(editor, value)
          const channels = context.shapes.get(selection.source)?.dims
          if (selection.nodes.length === 0 || channels?.length !== 4) continue
          if (!comesFromConv(editor, add.inputs[1 - operand] ?? '')) continue
          const output = editor.freshName(`${value}_conv`)
          const weight = identity(channels[1] ?? 0, selection.pads)
          const conv = editor.addNode({
            opType: 'Conv',
            name: `${selection.nodes[0]?.name}_conv`,
            inputs: [selection.source, editor.addTensor(`${output}_weight`, weight)],
            outputs: [output],
            attributes: { kernel_shape: intsAttr([1, 1]), strides: intsAttr(selection.strides) },
          })
          editor.setInput(add, operand, output)
          log.changed(conv, `${selection.nodes.map((node) => node.opType).join(' and ')} became a 1×1 Conv`)
        }
    }),
})

/** The Slices and Pads that make a value, up to where it is something else or others read it. */
function selectionBefore(editor: GraphEditor, value: string): Selection {
  const nodes: Node[] = []
  const strides: [number, number] = [1, 1]
  const pads: [number, number] = [0, 0]
  for (let current = value; ; ) {
    const node = editor.producer(current)
    const step = node && editor.soleConsumer(current) && (sliced(editor, node) ?? padded(editor, node))
    if (!node || !step) return { source: current, strides, pads, nodes: nodes.reverse() }
    strides[0] *= step.strides?.[0] ?? 1
    strides[1] *= step.strides?.[1] ?? 1
    pads[0] += step.pads?.[0] ?? 0
    pads[1] += step.pads?.[1] ?? 0
    nodes.push(node)
    current = node.inputs[0] ?? ''
  }
}

type Step = Partial<Pick<Selection, 'strides' | 'pads'>>

/** Slice of every s-th row and column of whole maps; undefined for any other node. */
function sliced(editor: GraphEditor, node: Node): Step | undefined {
  if (!isOp(node, 'Slice')) return undefined
  const [, starts, ends, axes, steps] = node.inputs.map((input) => editor.constant(input)?.numbers())
  if (!starts || !ends || !axes) return undefined
  const strides: [number, number] = [1, 1]
  for (const [i, axis] of axes.entries()) {
    const side = (axis < 0 ? axis + 4 : axis) - 2
    const stride = steps?.[i] ?? 1
    if ((side !== 0 && side !== 1) || starts[i] !== 0 || (ends[i] ?? 0) < WHOLE || stride < 1) return undefined
    strides[side] *= stride
  }
  return { strides }
}

/** Ends from here on mean "to the end" in files that exporters write. */
const WHOLE = 2 ** 31 - 1

/** Pad of channels with zeros; undefined for any other node. */
function padded(editor: GraphEditor, node: Node): Step | undefined {
  if (!isOp(node, 'Pad') || stringAttribute(node, 'mode', 'constant') !== 'constant') return undefined
  const [, widths, fill, axes] = node.inputs.map((input) => (input ? editor.constant(input)?.numbers() : undefined))
  if (!widths || (node.inputs[2] && (fill?.length !== 1 || fill[0] !== 0)) || node.inputs[3]) return undefined
  const [before = 0, behind = 0] = [widths[1], widths[5]]
  const others = widths.filter((_, i) => i !== 1 && i !== 5)
  if (axes || widths.length !== 8 || before < 0 || behind < 0 || others.some((width) => width !== 0)) return undefined
  return { pads: [before, behind] }
}

/** Is the value made by a convolution, possibly through its normalisation? */
function comesFromConv(editor: GraphEditor, value: string): boolean {
  const node = editor.producer(value)
  if (node && isOp(node, 'BatchNormalization')) return comesFromConv(editor, node.inputs[0] ?? '')
  return node !== undefined && isOp(node, 'Conv')
}

function identity(channels: number, [before, behind]: Selection['pads']): Tensor {
  const rows = before + channels + behind
  const values = new Float32Array(rows * channels)
  for (let c = 0; c < channels; c++) values[(before + c) * channels + c] = 1
  return Tensor.from('float32', [rows, channels, 1, 1], values)
}
