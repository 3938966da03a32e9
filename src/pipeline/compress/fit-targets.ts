// What splits are fitted to while plans are looked for: each layer's own float output, from one run over the samples.
import {
  type CompressibleLayer,
  type FitTarget,
  inputMoments,
  kernelsOf,
  ownTarget,
  plainTarget,
  ridgeShare,
} from '../../compress/index.ts'
import type { Problem } from './problem.ts'

/** Output positions of a sample, at most. */
export const POSITIONS = 64

/**
 * Hands each layer its targets, one a group, which are dropped afterwards. With `plain`, and where patches are too long for a
 * covariance (`weightsOnly`), the targets are those of the weights alone.
 */
export async function eachTarget(
  problem: Problem,
  layers: readonly CompressibleLayer[],
  use: (layer: CompressibleLayer, targets: readonly FitTarget[], weightsOnly: boolean) => Promise<void>,
): Promise<void> {
  const { runtime, products, model, fit, shapes, seed, plain, progress, signal } = problem
  if (plain) {
    for (const layer of layers) await use(layer, kernelsOf(layer).map(plainTarget), false)
    return
  }
  if (layers.length === 0) return
  const sampling = { products, layers, batches: fit, shapes, seed, perSample: POSITIONS, progress, signal }
  await inputMoments(runtime, model, sampling, async (layer, moments) => {
    const targets: FitTarget[] = []
    for (const [group, weight] of kernelsOf(layer).entries()) {
      const own = moments?.[group]
      targets.push(
        own ? await ownTarget(products, weight, own, ridgeShare(own.count, weight.columns)) : plainTarget(weight),
      )
    }
    await use(layer, targets, moments === undefined)
  })
}
