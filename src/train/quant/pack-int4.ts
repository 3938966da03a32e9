// Weights of at most 4 bits in int4 instead of int8: half the bytes, but ONNX Runtime computes such layers in float.
import { packNibbles } from '../../math/index.ts'
import { GraphEditor, type Model, Tensor } from '../../onnx/index.ts'

/** Stores the codes of every weight that fits as int4 (two to a byte, opset 21); int32 biases and wider weights stay. */
export function packInt4(quantized: Model): Model {
  const editor = new GraphEditor(quantized)
  const packed = new Map<Tensor, Tensor>()
  for (const node of editor.nodes('DequantizeLinear')) {
    const codes = editor.constant(node.inputs[0])
    const values = codes?.values()
    if (codes?.dtype !== 'int8' || !(values instanceof Int8Array)) continue
    const zeros = editor.constant(node.inputs[2])
    const offsets = zeros?.values() ?? none
    if (!(offsets instanceof Int8Array) || ![values, offsets].every((codes) => codes.every(isNibble))) continue
    const small = packed.get(codes) ?? new Tensor('int4', codes.shape, packNibbles(values))
    packed.set(codes, small)
    editor.setConstant(node, 0, small)
    if (zeros) editor.setConstant(node, 2, new Tensor('int4', zeros.shape, packNibbles(offsets)))
  }
  return editor.finish()
}

const none = new Int8Array(0)
const isNibble = (code: number) => code >= -8 && code <= 7
