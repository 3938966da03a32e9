// Between a model and the arrays that are trained.
import { sizeOf } from '../base/index.ts'
import { randomStream } from '../math/index.ts'
import { layersOf, type Model, Tensor, withTensors } from '../onnx/index.ts'
import type { Arrays } from './loop/state.ts'
import type { Parameter } from './parameters.ts'
import type { TrainedBatchNorm } from './prepare.ts'

/** Copies of the trained constants and running statistics of a model. */
export function valuesOf(
  model: Model,
  parameters: readonly Parameter[],
  batchNorms: readonly TrainedBatchNorm[] = [],
): Map<string, Float32Array> {
  const names = [...parameters.map(({ name }) => name), ...batchNorms.flatMap(({ mean, variance }) => [mean, variance])]
  const values = new Map<string, Float32Array>()
  for (const name of names) {
    const tensor = model.graph.initializers.get(name)
    if (tensor) values.set(name, tensor.floats().slice())
  }
  return values
}

/** The model with these values in its constants; names that it has none of are passed over. */
export function withValues(model: Model, values: Arrays): Model {
  const { initializers } = model.graph
  const tensors = [...values].flatMap(([name, array]) => {
    const old = initializers.get(name)
    return old ? [[name, Tensor.from('float32', old.shape, array.slice())] as const] : []
  })
  return withTensors(model, new Map(tensors))
}

/**
 * New random values, to train a network from nothing: weights uniform within √(6/inputs) (He, arXiv 1502.01852,
 * section 2.2), biases 0, scales of normalisations 1, running mean 0 and variance 1.
 */
export function initialValues(
  model: Model,
  parameters: readonly Parameter[],
  batchNorms: readonly TrainedBatchNorm[],
  seed: number,
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>()
  const inputs = new Map(
    layersOf(model).map(({ node, weightIndex, weight, view }) => [
      node.inputs[weightIndex] ?? '',
      view ? view.inputsPerGroup * view.positions : (weight.shape[0] ?? 1),
    ]),
  )
  for (const { name, kind, dims } of parameters) {
    const array = new Float32Array(sizeOf(dims))
    if (kind === 'norm') array.fill(1)
    else if (kind !== 'bias') {
      const random = randomStream(seed, `initial ${name}`)
      const bound = Math.sqrt(6 / (inputs.get(name) ?? dims.at(-1) ?? 1))
      for (let i = 0; i < array.length; i++) array[i] = random.uniform(-bound, bound)
    }
    values.set(name, array)
  }
  for (const { mean, variance } of batchNorms) {
    const channels = model.graph.initializers.get(mean)?.size ?? 0
    values.set(mean, new Float32Array(channels))
    values.set(variance, new Float32Array(channels).fill(1))
  }
  return values
}
