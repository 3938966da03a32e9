// AdaRound and sequential MSE over a whole model: visitors of the two-stream walk, layer by layer on unlabelled samples.
import type { Watch } from '../../base/index.ts'
import type { Products } from '../../math/index.ts'
import type { Shapes } from '../../onnx/index.ts'
import { type PlannedPair, plainCodes, type Rounded, roundAndCorrect } from '../../quantize/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { type AdaRoundOptions, adaRound } from './adaround.ts'

export interface RoundLayersOptions extends Watch {
  readonly shapes: Shapes
  readonly products: Products
  readonly seed: number
  /** adaround: roundings learned; mse: only scales by output error, codes to nearest. */
  readonly method: 'adaround' | 'mse'
  readonly adaround?: AdaRoundOptions
  /** Batches that only judge. */
  readonly validation?: (batch: number) => boolean
}

/**
 * Rounds the weights of a written Q/DQ model anew. At each layer its input comes from the model quantised and rounded so far;
 * its weights are refitted to that, scales are chosen by output error (sequential MSE), then codes; the bias takes up what is left of the mean.
 */
export function roundLayers(
  runtime: Runtime,
  pair: PlannedPair,
  batches: readonly Values[],
  options: RoundLayersOptions,
): Promise<Rounded> {
  const { products, method, validation, ...watch } = options
  return roundAndCorrect(runtime, pair, batches, {
    ...watch,
    products,
    optimize:
      method === 'adaround'
        ? (problem) => adaRound(products, problem, options.adaround)
        : ({ weights, scales, low, high }) => plainCodes(weights, scales, low, high),
    ...(validation ? { validation } : {}),
  })
}
