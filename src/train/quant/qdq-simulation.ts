// A finished Q/DQ file as a float graph that computes the same: constants dequantised, pairs as fake quantisation.
import { codeRange, dequantize, type QuantType } from '../../math/index.ts'
import { GraphEditor, intAttribute, isOp, type Model, type Node, Tensor } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { addFakeQuant } from '../rules/fake-quant.ts'

/** Constants behind DQ become float. */
export function withFloatConstants(quantized: Model): Model {
  const editor = new GraphEditor(quantized)
  for (const node of editor.nodes('DequantizeLinear')) {
    const float = dequantized(editor, node)
    if (!float) continue
    const output = node.outputs[0] ?? ''
    const name = editor.addTensor(`${output}/float`, float)
    editor.redirect(output, name)
    editor.removeNode(node)
  }
  return editor.finish()
}

function dequantized(editor: GraphEditor, node: Node): Tensor | undefined {
  const [codes, scale, zero] = node.inputs.map((input) => editor.constant(input))
  if (!codes || !scale) return undefined
  const scales = scale.floats()
  const axis = scales.length === 1 ? undefined : intAttribute(node, 'axis', 1)
  const zeros = Int32Array.from(zero ? zero.numbers() : new Array<number>(scales.length).fill(0))
  const params = {
    dtype: 'int8' as QuantType,
    scale: scales,
    zeroPoint: zeros,
    ...(axis === undefined ? {} : { axis: axis < 0 ? axis + codes.shape.length : axis }),
  }
  // `dequantize` only subtracts and multiplies; 32-bit codes are numbers like others to it.
  const values = codes.values()
  if (!(values instanceof Int8Array || values instanceof Uint8Array || values instanceof Int32Array)) return undefined
  const floats =
    values instanceof Int32Array
      ? Float32Array.from(values, (code, i) => code * (scales[scales.length === 1 ? 0 : i] ?? 1))
      : dequantize(values, params, codes.shape)
  return Tensor.from('float32', codes.shape, floats)
}

/** Q, perhaps a Min on the codes, and DQ become one fake quantisation with the pair's scale, which stays. */
export function simulatePairs(g: Emitter): Map<string, string> {
  const { editor } = g
  const renamed = new Map<string, string>()
  for (const end of editor.nodes('DequantizeLinear')) {
    let from = editor.producer(end.inputs[0] ?? '')
    let cap: number | undefined
    if (from && isOp(from, 'Min')) {
      cap = editor.constant(from.inputs[1])?.numbers()[0]
      from = editor.producer(from.inputs[0] ?? '')
    }
    if (!from || !isOp(from, 'QuantizeLinear')) continue
    const scale = editor.constant(end.inputs[1])
    const zero = editor.constant(end.inputs[2])
    if (scale?.size !== 1) continue
    const { low, high } = codeRange((zero?.dtype ?? 'uint8') as QuantType)
    const z = zero?.numbers()[0] ?? 0
    const output = end.outputs[0] ?? ''
    const step = g.constant(Tensor.from('float32', [], [scale.floats()[0] ?? 1]))
    const fake = addFakeQuant(g, from.inputs[0] ?? '', step, {
      low: low - z,
      high: Math.min(high, cap ?? high) - z,
      outer: true,
    })
    editor.redirect(output, fake)
    renamed.set(output, fake)
  }
  return renamed
}
