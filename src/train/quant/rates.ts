// Learning rates relative to what is trained: a step of Adam has the size of the rate, whatever the gradient.
import { layersOf, type Model } from '../../onnx/index.ts'
import type { Arrays } from '../loop/state.ts'
import type { Parameter } from '../parameters.ts'

/**
 * A factor for each array: the root mean square of a weight, a tenth of that of a scale, and for a bias at least what its
 * layer gives for inputs of size 1. So one rate fits layers whose weights, after folding, differ a hundredfold.
 */
export function relativeRates(
  model: Model,
  parameters: readonly Parameter[],
  initial: Arrays,
): (name: string) => number {
  const outputs = new Map(
    layersOf(model).map((layer) => {
      const inputs = layer.view ? layer.view.inputsPerGroup * layer.view.positions : (layer.weight.shape[0] ?? 1)
      return [layer.name, rms(layer.weight.floats()) * Math.sqrt(inputs)]
    }),
  )
  const factors = new Map<string, number>()
  for (const { name, kind, node } of parameters) {
    const size = rms(initial.get(name) ?? new Float32Array(0))
    if (kind === 'scale') factors.set(name, size / 10)
    else if (kind === 'bias') factors.set(name, Math.max(size, outputs.get(node) ?? 0))
    else factors.set(name, size || 1)
  }
  return (name) => factors.get(name) ?? 1
}

/** 1 for weights and biases; for a scale what makes its relative step a tenth of that of an average weight. */
export function scaleRates(model: Model, parameters: readonly Parameter[], initial: Arrays): (name: string) => number {
  const factors = relativeRates(model, parameters, initial)
  const weights = parameters.filter(({ kind }) => kind === 'weight')
  const size = weights.reduce((sum, { name }) => sum + factors(name), 0) / Math.max(1, weights.length) || 1
  const scales = new Set(parameters.filter(({ kind }) => kind === 'scale').map(({ name }) => name))
  return (name) => (scales.has(name) ? factors(name) / size : 1)
}

/** Root mean square. */
export function rms(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  return Math.sqrt(sum / Math.max(1, values.length))
}
