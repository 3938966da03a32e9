// Weights of matrix products as blocks of few bits: MatMul and Gemm become com.microsoft MatMulNBits, which reads them as they are.
import { GraphEditor, intAttr, intAttribute, type Layer, type Model, opsetOf, type Shapes } from '../../onnx/index.ts'
import { blocksOf } from '../rounding/problem.ts'
import type { BlockedWeight } from './block-grids.ts'
import { bitsOf, inRows, packed } from './pack-blocks.ts'

/** Why a layer's weight cannot lie in blocks (a clause), or undefined when it can. */
export function whyNotBlocked(
  { node, facts, view, weight, weightIndex, alpha, beta }: Layer,
  shapes: Shapes,
): string | undefined {
  if (facts.window) return `there is no kernel for ${node.opType} with weights in blocks`
  if (!view || weightIndex !== 1) return 'its weight is not a matrix on the right'
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`
  if ((shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0) < 2) return 'its input is not a matrix'
  if (intAttribute(node, 'transA', 0) !== 0) return 'its left operand is transposed'
  return alpha !== 1 || beta !== 1 ? 'alpha or beta is not 1' : undefined
}

/** How the weights are written: MatMulNBits of ONNX Runtime, or plain ONNX, DequantizeLinear with blocks (opset 21). */
export type WeightForm = 'matmul-nbits' | 'onnx'

export interface BlockedForm {
  readonly form: WeightForm
  /** Of MatMulNBits: 4 rounds activations to 8 bits inside, 1 to 3 compute in float32, float16 and bfloat16 where there is a kernel. */
  readonly accuracyLevel: number
}

/**
 * Replaces layers by products with blocked weights, and an Add for a Gemm's bias. Output names stay; a weight that two layers share
 * is stored once.
 */
export function insertBlocked(
  model: Model,
  blocked: ReadonlyMap<Layer, BlockedWeight>,
  { form, accuracyLevel }: BlockedForm,
): Model {
  if (blocked.size === 0) return model
  const editor = new GraphEditor(model)
  const opset = opsetOf(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const stored = new Map<BlockedWeight, readonly string[]>()
  for (const [layer, weight] of blocked) {
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (!node) continue
    const [input = '', , bias = ''] = node.inputs
    const output = node.outputs[0] ?? ''
    const tensors = form === 'onnx' ? inRows : packed
    const names =
      stored.get(weight) ??
      Object.entries(tensors(weight, opset)).map(([part, tensor]) =>
        editor.addTensor(`${layer.name}/weight/${part}`, tensor),
      )
    stored.set(weight, names)
    const product = bias === '' ? output : editor.freshName(`${output}/product`)
    if (form === 'onnx') {
      const behind = editor.freshName(`${layer.name}/weight/dq`)
      const attributes = { axis: intAttr(0), block_size: intAttr(blocksOf(weight.grids, weight.columns).block) }
      editor.addNode({ opType: 'DequantizeLinear', inputs: names, outputs: [behind], attributes })
      editor.replaceNode(node, { opType: 'MatMul', inputs: [input, behind], outputs: [product] })
    } else
      editor.replaceNode(node, {
        opType: 'MatMulNBits',
        domain: 'com.microsoft',
        inputs: [input, ...names],
        outputs: [product],
        attributes: {
          K: intAttr(weight.columns),
          N: intAttr(weight.rows),
          bits: intAttr(bitsOf(weight)),
          block_size: intAttr(weight.grids.block ?? weight.columns),
          accuracy_level: intAttr(accuracyLevel),
        },
      })
    if (bias !== '') editor.addNode({ opType: 'Add', inputs: [product, bias], outputs: [output] })
  }
  const written = editor.finish()
  return form === 'onnx' ? written : withContributed(written)
}

/** The model with ONNX Runtime's own operators among its opsets. */
export function withContributed(model: Model): Model {
  return { ...model, opsets: new Map([...model.opsets, ['com.microsoft', model.opsets.get('com.microsoft') ?? 1]]) }
}
