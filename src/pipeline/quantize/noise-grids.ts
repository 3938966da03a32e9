// The grids that equalisation reckons with, from the options of a quantisation.
import type { Layer } from '../../onnx/index.ts'
import type { QuantizeOptions } from '../../quantize/index.ts'
import type { EqualizeOptions } from '../../rewrite/index.ts'

/** @param bits bits of the weights that have not 8, by the names of layers */
export function noiseGrids(
  quantize: QuantizeOptions,
  bits: ReadonlyMap<string, number>,
): Required<Pick<EqualizeOptions, 'weights' | 'weightBits' | 'activationBits'>> {
  return {
    weights: quantize.weights,
    weightBits: (layer: Layer) => bits.get(layer.name) ?? 8,
    activationBits: quantize.activationType.endsWith('16') ? 16 : 8,
  }
}
