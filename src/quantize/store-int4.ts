// 4-bit codes in 4 bits: half the bytes of int8, and a float convolution, for which ONNX Runtime has no integer kernel.
import { packNibbles } from '../math/index.ts'
import { byteLengthOf, isOp, type Model, type Node, Tensor, withTensors } from '../onnx/index.ts'
import { slotsOf } from './correct/slots.ts'
import type { Plan } from './plan.ts'

/** Stores the codes of every layer with 4 bits as int4 (opset 21), two to a byte; scales, biases and results stay what they were. */
export function storeInt4(model: Model, plan: Plan): Model {
  return storeInt4Weights(model, new Set([...plan.weightBits].flatMap(([name, bits]) => (bits <= 4 ? [name] : []))))
}

/** The same for layers by name, whose codes must fit 4 bits. */
export function storeInt4Weights(model: Model, few: ReadonlySet<string>): Model {
  const changed = new Map<string, Tensor>()
  const consumers = new Map<string, Node[]>()
  for (const node of model.graph.nodes)
    if (isOp(node, 'DequantizeLinear'))
      consumers.set(node.inputs[0] ?? '', [...(consumers.get(node.inputs[0] ?? '') ?? []), node])
  for (const slots of slotsOf(model).values()) {
    const codes = model.graph.initializers.get(slots.codes)
    if (!few.has(slots.name) || codes?.dtype !== 'int8') continue
    changed.set(slots.codes, packed(codes))
    for (const node of consumers.get(slots.codes) ?? []) {
      const zero = model.graph.initializers.get(node.inputs[2] ?? '')
      if (zero) changed.set(node.inputs[2] ?? '', packed(zero))
    }
  }
  return withTensors(model, changed)
}

function packed(codes: Tensor): Tensor {
  const { shape, size } = codes
  const make = () => packNibbles(new Int8Array(codes.bytes.slice().buffer)).subarray(0, byteLengthOf('int4', size))
  return codes.lazy ? Tensor.onDemand('int4', shape, make) : new Tensor('int4', shape, make())
}
