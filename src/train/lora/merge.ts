// Adapters merged: the weight of a layer becomes W + A·B, and the layer is what it was.
import { type Model, Tensor, type WeightView, withTensors } from '../../onnx/index.ts'
import type { Arrays } from '../loop/state.ts'
import type { Adapter } from './adapters.ts'

/** The model with W + A·B, rounded once, in place of each W; adapters whose arrays are missing are passed over. */
export function mergeAdapters(model: Model, adapters: readonly Adapter[], values: Arrays): Model {
  const tensors = new Map<string, Tensor>()
  for (const adapter of adapters) {
    const [a, b] = [values.get(adapter.down), values.get(adapter.up)]
    const tensor = model.graph.initializers.get(adapter.weight)
    if (a && b && tensor)
      tensors.set(adapter.weight, Tensor.from('float32', tensor.shape, merged(tensor, adapter, a, b)))
  }
  return withTensors(model, tensors)
}

function merged(tensor: Tensor, { layers, outputs, rank }: Adapter, a: Float32Array, b: Float32Array): Float32Array {
  const view = layers[0]?.view
  const weight = tensor.floats().slice()
  if (view) addProduct(weight, view, { rank, a: (i, r) => a[i * rank + r]!, b: (r, o) => b[r * outputs + o]! })
  return weight
}

/** A·B, by the entries of A [inputs, rank] and B [rank, outputs]. */
export interface LowRankProduct {
  readonly rank: number
  readonly a: (input: number, r: number) => number
  readonly b: (r: number, output: number) => number
}

/** Adds A·B to a weight in place, summed in float64. */
export function addProduct(weight: Float32Array, view: WeightView, { rank, a, b }: LowRankProduct): void {
  const sums = new Float64Array(view.outputs)
  for (let i = 0; i < view.inputsPerGroup; i++) {
    sums.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = a(i, r)
      for (let o = 0; o < view.outputs; o++) sums[o]! += factor * b(r, o)
    }
    for (let o = 0; o < view.outputs; o++) weight[view.offset(o) + i * view.inputStride]! += sums[o]!
  }
}
