// What a padded convolution makes of a constant image: fewer taps at the borders, so a map instead of one number a channel.
import { sizeOf } from '../../base/index.ts'
import { type GraphEditor, intsAttribute, isOp, type Shapes, type ViewedLayer } from '../../onnx/index.ts'
import { isPadded } from '../batch-norm/forward.ts'
import { forEachWeight } from '../batch-norm/layer-edit.ts'
import { floatTensor } from '../float-tensor.ts'

/** Does a layer see zeros beside its input? */
export function hasBorder({ node }: ViewedLayer): boolean {
  return isOp(node, 'Conv') && isPadded(node)
}

/**
 * Adds B[o, y, x] = Σ W[o, i, u]·c[i] over the taps u that fall inside the image, as a constant behind a convolution with
 * explicit pads. The Add takes the convolution's output name over.
 */
export function addBorderMap(editor: GraphEditor, layer: ViewedLayer, shift: Float64Array, shapes: Shapes): void {
  const { node, view, weight } = layer
  const output = node.outputs[0] ?? ''
  const [before, after] = [node.inputs[0] ?? '', output].map((value) => shapes.get(value)?.dims.slice(2) ?? [])
  const taps = new Float64Array(view.outputs * view.positions)
  const values = weight.floats()
  const perGroup = view.outputs / view.groups
  forEachWeight(view, (at, o, i) => {
    const u = at - view.offset(o) - i * view.inputStride
    const channel = Math.floor(o / perGroup) * view.inputsPerGroup + i
    const tap = o * view.positions + u
    taps[tap] = (taps[tap] ?? 0) + (values[at] ?? 0) * (shift[channel] ?? 0)
  })
  const isInside = insideTest(layer, before ?? [], after ?? [])
  const area = sizeOf(after ?? [])
  const map = Float64Array.from({ length: view.outputs * area }, (_, index) => {
    const [o, place] = [Math.floor(index / area), index % area]
    let sum = 0
    for (let u = 0; u < view.positions; u++) if (isInside(place, u)) sum += taps[o * view.positions + u] ?? 0
    return sum
  })
  const inner = editor.freshName(`${output}_without_border`)
  editor.setOutput(node, 0, inner)
  const constant = editor.addTensor(
    `${output}_border`,
    floatTensor(weight.dtype, [view.outputs, ...(after ?? [])], map),
  )
  editor.addNode({ opType: 'Add', name: `${node.name}_border`, inputs: [inner, constant], outputs: [output] })
}

/** Whether tap u of the output position lies inside the image. */
function insideTest(
  { node, weight }: ViewedLayer,
  before: readonly number[],
  after: readonly number[],
): (place: number, tap: number) => boolean {
  const kernel = weight.shape.slice(2)
  const [strides, dilations, pads] = ['strides', 'dilations', 'pads'].map((name) => intsAttribute(node, name))
  return (place, tap) => {
    let [position, offset] = [place, tap]
    for (let axis = kernel.length - 1; axis >= 0; axis--) {
      const [size, width] = [after[axis] ?? 1, kernel[axis] ?? 1]
      const at =
        (position % size) * (strides?.[axis] ?? 1) + (offset % width) * (dilations?.[axis] ?? 1) - (pads?.[axis] ?? 0)
      if (at < 0 || at >= (before[axis] ?? 1)) return false
      position = Math.floor(position / size)
      offset = Math.floor(offset / width)
    }
    return true
  }
}
