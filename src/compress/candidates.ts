// The selection's candidates of a layer: every rank that saves something, with its closed-form error.
import type { Candidate, Item } from '../search/index.ts'
import { squaredErrorCurve, startFactor } from './bilinear.ts'
import { type CostModel, savingRanks, splitCost, wholeShape } from './cost.ts'
import type { FitProducts } from './fit-steps.ts'
import type { CompressibleLayer } from './layers.ts'
import { problemOf } from './problem.ts'
import { type Split, type SplitName, splits } from './splits/index.ts'
import type { FitTarget } from './target.ts'

/** What a layer becomes. */
export interface LayerChoice {
  readonly split: SplitName
  /** Channels between the two parts, for each group. */
  readonly rank: number
}

/** A candidate of the search; without a choice the layer keeps its form. */
export interface LayerCandidate extends Candidate {
  readonly choice?: LayerChoice
}

/** Relative errors of a layer at ranks 1, 2, … of each split that it allows. */
export interface ErrorCurves {
  readonly name: string
  readonly curves: readonly { readonly split: SplitName; readonly errors: readonly number[] }[]
}

/** Which splits are tried. */
export type SplitFamily = 'spatial-svd' | 'weight-svd' | 'auto'

/** The splits of a family that a layer allows. */
export function splitsFor(family: SplitFamily, { geometry }: CompressibleLayer): Split[] {
  return splits.filter((split) => !split.refuse(geometry) && (family === 'auto' || split.method === family))
}

/** Which splits a curve is made of, and how far. */
export interface CurveOptions {
  readonly family: SplitFamily
  /** The largest rank of a split. */
  readonly limit: (split: Split) => number
}

/** Relative errors of all ranks up to `limit` of each split, from one factorisation each. */
export async function errorCurves(
  products: FitProducts,
  layer: CompressibleLayer,
  targets: readonly FitTarget[],
  { family, limit }: CurveOptions,
): Promise<ErrorCurves> {
  const curves: { split: SplitName; errors: number[] }[] = []
  const energy = targets.reduce((sum, target) => sum + target.energy, 0)
  for (const split of splitsFor(family, layer)) {
    const most = limit(split)
    if (most < 1) continue
    const sums = new Float64Array(most)
    for (const target of targets) {
      const problem = problemOf(split, layer.geometry, target)
      const first = await startFactor(products, problem, problem.target.weight, most)
      const errors = await squaredErrorCurve(products, problem, first)
      for (let r = 0; r < most; r++) sums[r]! += errors[Math.min(r, errors.length - 1)] ?? 0
    }
    curves.push({ split: split.name, errors: Array.from(sums, (sum) => (energy > 0 ? sum / energy : 0)) })
  }
  return { name: layer.name, curves }
}

/** Below this share of a layer's cost the weight SVD of a k×k layer is looked at as well; above it loses to spatial splits. */
export const STRONG = 0.3

/** A layer as an item of the search, under a cost model. */
export function itemOf(
  layer: CompressibleLayer,
  { curves }: ErrorCurves,
  model: CostModel,
  multiple: number,
): Item<LayerCandidate> {
  const { name } = layer
  const whole = model.cost(wholeShape(layer))
  const candidates: LayerCandidate[] = []
  const spatial = curves.some(({ split }) => splits.find((known) => known.name === split)?.method === 'spatial-svd')
  for (const { split: splitName, errors } of curves) {
    const split = splits.find((known) => known.name === splitName)
    if (!split) continue
    for (const rank of savingRanks(model, split, layer, multiple)) {
      const loss = errors[rank - 1]
      const cost = splitCost(model, split, layer, rank)
      if (loss === undefined || (spatial && split.method === 'weight-svd' && cost > STRONG * whole)) continue
      candidates.push({ cost, loss, choice: { split: splitName, rank } })
    }
  }
  return { name, unchanged: { cost: whole, loss: 0 }, candidates }
}
