// 4-bit activations in bytes: QuantizeLinear to uint8 saturates at 255, so a Min on the codes does at 15.
import { clipBounds, GraphEditor, isOp, type Model, Tensor } from '../../onnx/index.ts'
import type { Plan } from '../../quantize/index.ts'

/**
 * Puts a Min with 15 behind the QuantizeLinear of every activation that has a grid of its own. ONNX Runtime keeps its integer
 * kernels: they write codes, and the Min works on codes.
 */
export function capCodes(quantized: Model, plan: Plan): Model {
  const own = new Set<string>()
  for (const { value, gridOf } of plan.placement.tensors.values()) if (value === gridOf) own.add(`${value}/scale`)
  const editor = new GraphEditor(quantized)
  let top: string | undefined
  for (const node of editor.nodes('QuantizeLinear')) {
    if (!own.has(node.inputs[1] ?? '')) continue
    top ??= editor.addTensor('onnxpress/top_code', Tensor.from('uint8', [], Uint8Array.of(15)))
    const codes = node.outputs[0] ?? ''
    uncap(editor, node.inputs[0] ?? '')
    const capped = editor.freshName(`${codes}/capped`)
    const readers = editor.consumers(codes).filter((reader) => isOp(reader, 'DequantizeLinear'))
    editor.addNode({ opType: 'Min', name: `${node.name}/cap`, inputs: [codes, top], outputs: [capped] })
    for (const reader of readers) editor.setInput(reader, 0, capped)
  }
  return editor.finish()
}

/**
 * A Clip from 0 in front of the pair becomes a Relu: the highest code lies inside its bound, so the Min cuts all that it did.
 * The pair's own range, 255 steps, does not, and with the Clip ONNX Runtime would not fuse the layer.
 */
function uncap(editor: GraphEditor, value: string): void {
  const node = editor.producer(value)
  if (!node || !isOp(node, 'Clip') || editor.uses(value) !== 1) return
  const bounds = clipBounds(node, (name) => editor.constant(name))
  if (bounds?.low !== 0) return
  editor.replaceNode(node, { opType: 'Relu', inputs: [node.inputs[0] ?? ''], outputs: [value] })
}
