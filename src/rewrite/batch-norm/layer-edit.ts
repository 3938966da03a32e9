// Writing folded weights and biases back into a layer, through its own view of the weight.
import {
  floatAttr,
  type GraphEditor,
  hasOpenBias,
  intAttribute,
  layerOf,
  type Node,
  type ViewedLayer,
  type WeightView,
} from '../../onnx/index.ts'
import { doublesOf, floatTensor, holds } from '../float-tensor.ts'

/** The node as a layer that can take a fold, or why it cannot. */
export function foldableLayer(editor: GraphEditor, node: Node): ViewedLayer | string {
  const layer = layerOf(node, (value) => editor.constant(value))
  if (!layer) return 'its weight is not a constant'
  const { view } = layer
  if (!view) return 'its weight has no output channels to fold into'
  if (intAttribute(node, 'transA', 0) === 1) return 'its input is transposed'
  if (hasOpenBias(layer)) return 'its bias is not a constant'
  const { bias } = layer
  if (bias && ((bias.size !== view.outputs && bias.size !== 1) || (bias.shape.at(-1) ?? bias.size) !== bias.size))
    return `its bias has shape [${bias.shape}], not one number an output`
  return { ...layer, view }
}

/** The bias of a layer, one number an output (zeros when it has none); its factor is applied. */
export function biasOf(layer: ViewedLayer): Float64Array {
  const { bias, beta, view } = layer
  if (!bias) return new Float64Array(view.outputs)
  const values = doublesOf(bias)
  return Float64Array.from({ length: view.outputs }, (_, o) => beta * (values[bias.size === 1 ? 0 : o] ?? 0))
}

/**
 * Gives a layer new weights, `change(old, o, i)` for output channel o and input channel i inside the group, and a new
 * bias. Other users of the old tensors keep them. Without a place for it a bias becomes an Add.
 */
export function writeLayer(
  editor: GraphEditor,
  layer: ViewedLayer,
  change: (value: number, output: number, input: number) => number,
  bias: Float64Array,
): void {
  const { node, facts, weight, view } = layer
  const values = doublesOf(weight)
  let changed = false
  forEachWeight(view, (at, o, i) => {
    const before = values[at] ?? 0
    const after = change(before, o, i)
    values[at] = after
    changed ||= after !== before
  })
  // A weight that others read too is only stored once as long as nobody changes it.
  if (changed) editor.setConstant(node, layer.weightIndex, floatTensor(weight.dtype, weight.shape, values))
  if (facts.bias !== undefined) {
    if (!layer.bias && bias.every((value) => value === 0)) return
    if (node.attributes.has('beta')) node.attributes.set('beta', floatAttr(1))
    const hint = node.inputs[facts.bias] || `${node.inputs[layer.weightIndex]}_bias`
    editor.setConstant(node, facts.bias, floatTensor(weight.dtype, [view.outputs], bias), hint)
  } else if (bias.some((value) => value !== 0)) {
    const output = node.outputs[0] ?? ''
    const product = editor.freshName(`${output}_product`)
    editor.setOutput(node, 0, product)
    const shift = editor.addTensor(`${output}_bias`, floatTensor(weight.dtype, [view.outputs], bias))
    editor.addNode({ opType: 'Add', name: `${node.name}_bias`, inputs: [product, shift], outputs: [output] })
  }
}

/** Can the layer's type hold what `writeLayer` would write? float16 loses large numbers and channels of tiny ones. */
export function fitsLayer(
  { weight, view }: ViewedLayer,
  change: (value: number, output: number, input: number) => number,
  bias: Float64Array,
): boolean {
  if (weight.dtype !== 'float16') return true
  const values = weight.floats()
  const largest = new Float64Array(view.outputs)
  forEachWeight(view, (at, o, i) => {
    largest[o] = Math.max(largest[o] ?? 0, Math.abs(change(values[at] ?? 0, o, i)))
  })
  // A bias may be tiny beside what the weights bring, but never too large.
  return (
    largest.every((value) => holds(weight.dtype, value)) &&
    bias.every((value) => holds(weight.dtype, Math.max(1, Math.abs(value))))
  )
}

/** Visits every element of a weight: its place in the tensor, output channel, input channel inside the group. */
export function forEachWeight(view: WeightView, visit: (at: number, output: number, input: number) => void): void {
  for (let o = 0; o < view.outputs; o++) {
    const base = view.offset(o)
    for (let i = 0; i < view.inputsPerGroup; i++) {
      const start = base + i * view.inputStride
      for (let u = 0; u < view.positions; u++) visit(start + u * view.positionStride, o, i)
    }
  }
}
