// A BatchNormalization that no layer takes: a depthwise 1×1 Conv, which fuses with the Relu behind it and has an integer kernel.
import { type GraphEditor, intAttr, type Node, type Shapes } from '../../onnx/index.ts'
import { floatTensor } from '../float-tensor.ts'
import type { Affine } from './affine.ts'

/** ONNX Runtime convolves values of rank 3, 4 and 5. */
const CONV_RANKS = [3, 4, 5]

/**
 * Replaces a run of nodes, a BatchNormalization and the affine nodes behind it, by one affine operator; returns what it became.
 * 1. rank 3 to 5: depthwise Conv with kernel 1; 2. other ranks: Mul and Add; 3. unknown rank: undefined, nothing done.
 */
export function replaceStandalone(
  editor: GraphEditor,
  shapes: Shapes,
  [norm, ...followers]: readonly [Node, ...Node[]],
  { scale, shift }: Affine,
): string | undefined {
  const input = norm.inputs[0] ?? ''
  const observed = shapes.get(input) ?? shapes.get(norm.outputs[0] ?? '')
  const dtype = observed?.dtype ?? editor.constant(norm.inputs[1])?.dtype
  if (!observed || !dtype) return undefined
  const rank = observed.dims.length
  const channels = scale.length
  const output = followers.at(-1)?.outputs[0] ?? norm.outputs[0] ?? ''
  for (const node of followers) editor.removeNode(node)
  const ones = Array<number>(Math.max(0, rank - 2)).fill(1)
  const asConv = CONV_RANKS.includes(rank)
  const shape = (last: readonly number[]) => (asConv ? last : [channels, ...ones])
  const weight = editor.addTensor(`${output}_scale`, floatTensor(dtype, shape([channels, 1, ...ones]), scale))
  const bias = editor.addTensor(`${output}_shift`, floatTensor(dtype, shape([channels]), shift))
  if (asConv) {
    editor.replaceNode(norm, {
      opType: 'Conv',
      inputs: [input, weight, bias],
      outputs: [output],
      attributes: { group: intAttr(channels) },
    })
    return 'a depthwise 1×1 Conv'
  }
  const scaled = editor.freshName(`${output}_scaled`)
  editor.replaceNode(norm, { opType: 'Mul', inputs: [input, weight], outputs: [scaled] })
  editor.addNode({ opType: 'Add', name: `${norm.name}_shift`, inputs: [scaled, bias], outputs: [output] })
  return 'Mul and Add'
}
