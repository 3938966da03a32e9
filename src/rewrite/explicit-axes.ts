// Pad and Resize name all axes: ONNX Runtime moves transposes across them and forgets that `axes` counts differently then.
import {
  type GraphEditor,
  intAttr,
  intsAttribute,
  type Node,
  rankOf,
  type Shapes,
  stringAttribute,
  Tensor,
} from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Writes `axes` of Pad and Resize (opset 18) out in full. Exact.
 * 1. Pad: no pads on the other axes; 2. Resize with scales: 1 on the other axes; 3. with sizes: those of its input there.
 * Numbers that are not constants are put together when the model runs.
 */
export const explicitAxes: Rewrite = defineRewrite({
  name: 'explicit-axes',
  kind: 'exact',
  summary: 'writes pads, scales and sizes of some axes down for all of them',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const node of editor.nodes('Pad', 'Resize')) {
        const axes = axesOf(editor, node, context.shapes)
        if (axes === undefined) continue
        const refusal = typeof axes === 'string' ? axes : fill(editor, node, axes.rank, axes.axes)
        if (refusal === undefined) log.changed(node, 'its axes are written out')
        else log.left(node, `keeps its axes: ${refusal}`)
      }
    }),
})

/** The axes a node names, counted from the front; undefined when it names none. */
function axesOf(
  editor: GraphEditor,
  node: Node,
  shapes: Shapes,
): { readonly rank: number; readonly axes: readonly number[] } | string | undefined {
  const given = node.opType === 'Pad' ? node.inputs[3] : node.attributes.has('axes') ? 'axes' : undefined
  if (!given) return undefined
  const axes = node.opType === 'Pad' ? editor.constant(given)?.numbers() : intsAttribute(node, 'axes')
  if (!axes) return 'they are not constants'
  const rank = rankOf(shapes, node.inputs[0])
  if (rank === undefined) return 'the rank of its input was never observed'
  return { rank, axes: axes.map((axis) => (axis < 0 ? axis + rank : axis)) }
}

function fill(editor: GraphEditor, node: Node, rank: number, axes: readonly number[]): string | undefined {
  const places = Array.from({ length: rank }, (_, axis) => axes.indexOf(axis))
  const [data = '', ...others] = node.inputs
  if (node.opType === 'Pad') {
    const ends = places.map((place) => (place === -1 ? -1 : place + axes.length))
    const zero = Tensor.from('int64', [1], [0])
    editor.setInput(node, 1, spread(editor, node, others[0] ?? '', { places: [...places, ...ends], rest: zero }))
    node.inputs.length = Math.min(node.inputs.length, 3)
    return undefined
  }
  const [roi = '', scales = '', sizes = ''] = others
  if (roi !== '' && stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize')
    return 'it names a region'
  if (sizes !== '' && stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    return 'it keeps the ratio of their sizes'
  if (scales !== '')
    editor.setInput(node, 2, spread(editor, node, scales, { places, rest: Tensor.from('float32', [1], [1]) }))
  else editor.setInput(node, 3, spread(editor, node, sizes, { places, rest: data }))
  node.attributes.delete('axes')
  return undefined
}

/** Where numbers come from, place by place. */
interface Spread {
  /** Indices into the numbers that are given; −1 where there is none. */
  readonly places: readonly number[]
  /** For the places without one: a number for all of them, or a value whose shape it is. */
  readonly rest: Tensor | string
}

/** One number for each place: that of `values` it names, or else the rest. */
function spread(editor: GraphEditor, node: Node, values: string, { places, rest }: Spread): string {
  const output = node.outputs[0] ?? ''
  const known = editor.constant(values)
  if (known && typeof rest !== 'string') {
    const [other = 0] = rest.numbers()
    const numbers = known.numbers()
    const all = places.map((place) => (place === -1 ? other : (numbers[place] ?? other)))
    return editor.addTensor(
      `${output}_all`,
      Tensor.from(rest.dtype === 'int64' ? 'int64' : 'float32', [all.length], all),
    )
  }
  // The rest comes first in what is gathered from: one number, or one for each axis.
  const first = typeof rest === 'string' ? editor.freshName(`${rest}_shape`) : editor.addTensor(`${output}_rest`, rest)
  if (typeof rest === 'string') editor.addNode({ opType: 'Shape', inputs: [rest], outputs: [first] })
  const offset = typeof rest === 'string' ? places.length : 1
  const indices = places.map((place, axis) => (place === -1 ? (typeof rest === 'string' ? axis : 0) : offset + place))
  const joined = editor.freshName(`${output}_numbers`)
  const all = editor.freshName(`${output}_all`)
  const at = editor.addTensor(`${output}_places`, Tensor.from('int64', [indices.length], indices))
  editor.addNode({ opType: 'Concat', inputs: [first, values], outputs: [joined], attributes: { axis: intAttr(0) } })
  editor.addNode({ opType: 'Gather', inputs: [joined, at], outputs: [all] })
  return all
}
