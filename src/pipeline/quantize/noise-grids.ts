// The grids that equalisation and its kind reckon with, from the options of a quantisation.
import type { Layer } from '../../onnx/index.ts'
import { layersIn, place, weightBitsOf } from '../../quantize/index.ts'
import type { EqualizeOptions } from '../../rewrite/index.ts'
import { typesOf } from '../../runtime/index.ts'
import type { Form } from './candidate.ts'
import type { SearchOptions } from './technique.ts'

export function gridsOf(
  { float, quantize }: Pick<Form, 'float' | 'quantize'>,
  { signal, progress }: SearchOptions,
): EqualizeOptions {
  const { layers } = place(float, quantize, typesOf(float))
  const bits = weightBitsOf(layersIn(float, layers), float.graph.nodes, quantize)
  return {
    weights: quantize.weights,
    weightBits: (layer: Layer) => bits.get(layer.name) ?? 8,
    activationBits: quantize.activationType.endsWith('16') ? 16 : 8,
    floatInputs: new Set(quantize.floatValues?.keys()),
    signal,
    progress,
  }
}
