// The selection pass: errors of every layer at every rank, from the cache where they are known.
import {
  type CompressibleLayer,
  type ErrorCurves,
  errorCurves,
  macs,
  parameterBytes,
  type Split,
  type SplitFamily,
  STRONG,
  savingRanks,
  splitCost,
  splitsFor,
  wholeShape,
} from '../../compress/index.ts'
import { eachTarget } from './fit-targets.ts'
import type { Problem } from './problem.ts'

/** Error curves by layer name, and notes on layers whose curves are of their weights alone. */
export async function selectionCurves(
  problem: Problem,
  family: SplitFamily,
): Promise<{ readonly curves: Map<string, ErrorCurves>; readonly notes: string[] }> {
  const { products, cache, survey } = problem
  const curves = new Map<string, ErrorCurves>()
  const notes: string[] = []
  const missing: CompressibleLayer[] = []
  for (const layer of survey.layers) {
    if (splitsFor(family, layer).length === 0) continue
    const known = await cache.get(keyOf(layer, family, problem))
    if (isCurves(known)) curves.set(layer.name, known)
    else missing.push(layer)
  }
  await eachTarget(problem, missing, async (layer, targets, weightsOnly) => {
    if (weightsOnly) notes.push(`${layer.name} has patches too long for a covariance: it is split by its weights alone`)
    const found = await errorCurves(products, layer, targets, { family, limit: (split) => lastRank(split, layer) })
    await cache.put(keyOf(layer, family, problem), found)
    curves.set(layer.name, found)
  })
  return { curves, notes }
}

function keyOf({ name }: CompressibleLayer, family: SplitFamily, { key, plain, seed }: Problem): string {
  return [key, 'curves', family, plain ? 'plain' : `seed ${seed}`, name].join('|')
}

/** The largest rank that saves anything in one of the costs; a weight SVD beside a spatial one only matters when strong. */
function lastRank(split: Split, layer: CompressibleLayer): number {
  const { geometry, weight } = layer
  const most = Math.max(...[macs, parameterBytes].map((model) => savingRanks(model, split, layer, 1).at(-1) ?? 0))
  if (split.method === 'spatial-svd' || Math.min(...geometry.kernel) === 1 || weight.shape.length < 4) return most
  const whole = macs.cost(wholeShape(layer))
  let rank = most
  while (rank > 1 && splitCost(macs, split, layer, rank) > STRONG * whole) rank--
  return rank
}

function isCurves(value: unknown): value is ErrorCurves {
  return typeof value === 'object' && value !== null && 'curves' in value && 'name' in value
}
