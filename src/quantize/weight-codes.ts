// The codes of a weight as a tensor.
import { type QuantParams, quantize } from '../math/index.ts'
import { Tensor } from '../onnx/index.ts'

/** Codes of a weight, the lowest of int8 left out; those of one that lies in a file are made when somebody asks for them. */
export function codesOf(weight: Tensor, dtype: 'int8' | 'uint8', params: QuantParams): Tensor {
  const make = () => quantize(weight.floats(), params, weight.shape, true)
  return weight.lazy
    ? Tensor.onDemand(dtype, weight.shape, make)
    : Tensor.from(dtype, weight.shape, make() as Int8Array & Uint8Array)
}
