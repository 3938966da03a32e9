// A layer that reads channels, with what its fit needs: to be ordered by, and to be fitted anew without some of them.
import { type Moments, patchSize } from '../../calibrate/index.ts'
import { type Matrix, matrix, type Products } from '../../math/index.ts'
import type { GraphEditor, LayerChannels } from '../../onnx/index.ts'
import { leastSquaresKernel } from '../bilinear.ts'
import { setWeight } from '../edit-layer.ts'
import { kernelsOf } from '../kernel.ts'
import { biasOf, type CompressibleLayer } from '../layers.ts'
import { type FitTarget, ownTarget, ridgeShare, squaredError } from '../target.ts'
import { columnsOf } from './consumers.ts'

/** Longer patches are ordered by energy: the inverse of their covariance takes too long. */
export const LONGEST = 1536

export interface Reading {
  readonly layer: CompressibleLayer
  readonly channels: LayerChannels
  /** Of each group. */
  readonly targets: readonly FitTarget[]
  readonly means: readonly Float64Array[]
  /** Variance of the layer's output, over all groups. */
  readonly energy: number
}

/** @returns undefined for patches that are too long, or without moments */
export async function readingOf(
  products: Products,
  layer: CompressibleLayer,
  channels: LayerChannels,
  moments: readonly Moments[] | undefined,
): Promise<Reading | undefined> {
  if (!moments || patchSize(layer.geometry) > LONGEST) return undefined
  const targets: FitTarget[] = []
  for (const [group, weight] of kernelsOf(layer).entries()) {
    const own = moments[group]
    if (!own) return undefined
    targets.push(await ownTarget(products, weight, own, ridgeShare(own.count, weight.columns)))
  }
  const energy = targets.reduce((sum, target) => sum + target.energy, 0)
  return { layer, channels, targets, means: moments.map(({ meanX }) => meanX), energy }
}

/**
 * Fits a layer to do without channels, which it reads with weights of 0 from then on; the means of what it misses go into
 * the bias.
 * @returns what it loses, as a share of its output's variance
 */
export async function fitWithout(
  products: Products,
  editor: GraphEditor,
  { layer, channels, targets, means, energy }: Reading,
  removed: ReadonlySet<number>,
): Promise<number> {
  const bias = biasOf(layer)
  const kernels: Matrix[] = []
  let loss = 0
  for (const [group, target] of targets.entries()) {
    const { rows, columns } = target.weight
    const gone = new Set([...columnsOf(channels, group, (id) => removed.has(id)).values()].flat())
    const kept = [...Array(columns).keys()].filter((column) => !gone.has(column))
    const outputs = [...Array(rows).keys()]
    const small = await leastSquaresKernel(products, {
      ...target,
      weight: picked(target.weight, outputs, kept),
      covariance: picked(target.covariance, kept, kept),
      cross: picked(target.cross, outputs, kept),
    })
    const kernel = matrix(rows, columns)
    for (let o = 0; o < rows; o++)
      for (const [i, column] of kept.entries()) kernel.data[o * columns + column] = small.data[o * kept.length + i]!
    for (let o = 0; o < rows; o++)
      for (let i = 0; i < columns; i++)
        bias[group * rows + o]! +=
          (target.weight.data[o * columns + i]! - kernel.data[o * columns + i]!) * (means[group]?.[i] ?? 0)
    loss += await squaredError(products, target, kernel)
    kernels.push(kernel)
  }
  setWeight(editor, layer, kernels, bias)
  return energy > 0 ? loss / energy : 0
}

function picked(from: Matrix, rows: readonly number[], columns: readonly number[]): Matrix {
  const result = matrix(rows.length, columns.length)
  let at = 0
  for (const row of rows) for (const column of columns) result.data[at++] = from.data[row * from.columns + column]!
  return result
}
