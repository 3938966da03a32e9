// The selection pass: errors of every layer at every rank, from the cache where they are known.
import type { Watch } from '../../base/index.ts'
import {
  type CompressibleLayer,
  type ErrorCurves,
  errorCurves,
  type FitProducts,
  inputMoments,
  kernelsOf,
  type Method,
  macs,
  ownTarget,
  parameterBytes,
  plainTarget,
  ridgeShare,
  type Split,
  STRONG,
  savingRanks,
  splitCost,
  splitsFor,
  wholeShape,
} from '../../compress/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'

export interface CurveOptions extends Watch {
  readonly shapes: Shapes
  readonly seed: number
  readonly method: Method
  readonly plain: boolean
  readonly cache: EvaluationCache
  /** Names everything that the curves depend on beside the layer. */
  readonly key: string
}

/** Output positions of a sample, at most. */
export const POSITIONS = 64

/** Error curves by layer name, and notes on layers whose curves are of their weights alone. */
export async function selectionCurves(
  runtime: Runtime,
  products: FitProducts,
  model: Model,
  layers: readonly CompressibleLayer[],
  batches: readonly Values[],
  options: CurveOptions,
): Promise<{ readonly curves: Map<string, ErrorCurves>; readonly notes: string[] }> {
  const curves = new Map<string, ErrorCurves>()
  const notes: string[] = []
  const missing: CompressibleLayer[] = []
  for (const layer of layers) {
    if (splitsFor(options.method, layer).length === 0) continue
    const known = options.cache.get(keyOf(layer, options))
    if (isCurves(known)) curves.set(layer.name, known)
    else missing.push(layer)
  }
  const keep = async (layer: CompressibleLayer, targets: readonly Parameters<typeof errorCurves>[2][number][]) => {
    const found = await errorCurves(products, layer, targets, options.method, (split) => lastRank(split, layer))
    options.cache.put(keyOf(layer, options), found)
    curves.set(layer.name, found)
  }
  if (options.plain) for (const layer of missing) await keep(layer, kernelsOf(layer).map(plainTarget))
  else if (missing.length > 0) {
    const sampling = { ...options, perSample: POSITIONS }
    await inputMoments(runtime, products, model, missing, batches, sampling, async (layer, moments) => {
      const weights = kernelsOf(layer)
      if (!moments) {
        notes.push(`${layer.name} has patches too long for a covariance: it is split by its weights alone`)
        return keep(layer, weights.map(plainTarget))
      }
      const targets = []
      for (const [group, weight] of weights.entries()) {
        const own = moments[group]
        if (own) targets.push(await ownTarget(products, weight, own, ridgeShare(own.count, weight.columns)))
      }
      await keep(layer, targets)
    })
  }
  return { curves, notes }
}

function keyOf(layer: CompressibleLayer, { key, method, plain, seed }: CurveOptions): string {
  return [key, 'curves', method, plain ? 'plain' : `seed ${seed}`, layer.name].join('|')
}

/** The largest rank that saves anything in one of the costs; a weight SVD beside a spatial one only matters when strong. */
function lastRank(split: Split, { geometry, sizes, layer }: CompressibleLayer): number {
  const most = Math.max(
    ...[macs, parameterBytes].map((model) => savingRanks(model, split, geometry, sizes, 1).at(-1) ?? 0),
  )
  if (split.method === 'spatial-svd' || Math.min(...geometry.kernel) === 1 || layer.weight.shape.length < 4) return most
  const whole = macs.cost(wholeShape(geometry, sizes))
  let rank = most
  while (rank > 1 && splitCost(macs, split, geometry, sizes, rank) > STRONG * whole) rank--
  return rank
}

function isCurves(value: unknown): value is ErrorCurves {
  return typeof value === 'object' && value !== null && 'curves' in value && 'name' in value
}
