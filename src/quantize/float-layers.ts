// Float layers between integer ones: ONNX Runtime quantises a float weight itself, with one scale, when a Conv, ConvTranspose or Gemm
// stands between DQ and Q with nothing but a Relu or Clip behind it (WeightBiasQuantization). Here something else stands there.
import { codeRange, type QuantType, roundToEven } from '../math/index.ts'
import { factsOf, floatAttr, type GraphEditor, isOp, type Node, nodeName, Tensor } from '../onnx/index.ts'

/** Changes how float layers between DQ and Q are written, not what they compute. */
export function protectFloatLayers(editor: GraphEditor): void {
  for (const node of editor.nodes()) {
    if (!factsOf(node).layer) continue
    const weight = node.inputs.findIndex((input) => editor.constant(input)?.dtype === 'float32')
    const data = weight === 0 ? 1 : 0
    const input = node.inputs[data] ?? ''
    if (weight === -1 || editor.producer(input)?.opType !== 'DequantizeLinear' || !leadsToQuantize(editor, node))
      continue
    if (!endsInLeakyRelu(editor, node)) keepApart(editor, node, data)
  }
}

/** A Max with the lowest float in front of an input: unlike Identity or a product with 1 it is not optimised away. It takes a pass. */
export function keepApart(editor: GraphEditor, node: Node, index: number): void {
  const input = node.inputs[index] ?? ''
  const lowest = editor.addTensor('onnxpress/lowest', Tensor.scalar(-3.4028234663852886e38))
  const kept = editor.freshName(`${input}/kept`)
  editor.addNode({ opType: 'Max', inputs: [input, lowest], outputs: [kept] })
  editor.setInput(node, index, kept)
}

/** Is a node's output quantised, at once or behind its activation? */
function leadsToQuantize(editor: GraphEditor, node: Node): boolean {
  return editor
    .consumers(node.outputs[0] ?? '')
    .some(
      (consumer) =>
        isOp(consumer, 'QuantizeLinear') ||
        (isOp(consumer, 'Relu', 'Clip', 'Add') && leadsToQuantize(editor, consumer)),
    )
}

/**
 * A LeakyRelu behind a layer is fused with it as a Relu is, costs nothing, and is no path to Q: with a slope of 0 it is that Relu, with
 * one of 1 it changes nothing.
 * @returns false where there is no such form
 */
function endsInLeakyRelu(editor: GraphEditor, node: Node): boolean {
  const output = node.outputs[0] ?? ''
  const next = editor.soleConsumer(output)
  if (!next || !isOp(node, 'Conv', 'Gemm')) return false
  const leaky = (slope: number) => ({ opType: 'LeakyRelu', inputs: [output], attributes: { alpha: floatAttr(slope) } })
  if (isOp(next, 'QuantizeLinear')) {
    const same = editor.freshName(`${output}/same`)
    editor.addNode({ ...leaky(1), name: same, outputs: [same] })
    editor.setInput(next, 0, same)
    return true
  }
  const slope = isOp(next, 'Relu') ? 0 : isOp(next, 'Clip') && saturates(editor, next) ? 1 : undefined
  if (slope === undefined) return false
  editor.replaceNode(next, { ...leaky(slope), name: nodeName(next), outputs: next.outputs })
  return true
}

/** Does saturation at the ends of the grid behind a Clip give the same codes without it? */
function saturates(editor: GraphEditor, clip: Node): boolean {
  const next = editor.soleConsumer(clip.outputs[0] ?? '')
  const bounds = factsOf(clip).bounds?.(clip, (name) => editor.constant(name))
  if (!bounds || !next || !isOp(next, 'QuantizeLinear')) return false
  const [scale, zero] = [editor.constant(next.inputs[1]), editor.constant(next.inputs[2])]
  if (scale?.size !== 1 || zero?.size !== 1) return false
  const { low, high } = codeRange(zero.dtype as QuantType)
  const code = (value: number) => roundToEven(Math.fround(value / (scale.floats()[0] ?? 1))) + (zero.numbers()[0] ?? 0)
  return code(bounds.low) <= low && code(bounds.high) >= high
}
