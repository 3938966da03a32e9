// Compression in memory, for programs: a model and samples in, a smaller model out.
import { InputError, RefusedError, type Watch } from '../../base/index.ts'
import {
  type FittedLayer,
  fitProducts,
  type LayerSurvey,
  type Method,
  macs,
  parameterBytes,
  refitModel,
  surveyLayers,
} from '../../compress/index.ts'
import type { Model } from '../../onnx/index.ts'
import { applyRewrites, workingPasses } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { memoryCache } from '../../search/index.ts'
import { POSITIONS, selectionCurves } from './curves.ts'
import { fixedCost, plansFor } from './plan.ts'

export interface CompressOptions extends Watch {
  /** Share of the cost that may be left, above 0 and at most 1. */
  readonly ratio: number
  /** What is counted: multiply-accumulates (default) or parameter bytes. */
  readonly cost?: 'macs' | 'bytes'
  readonly method?: Method
  /** Ranks are multiples of this. */
  readonly multiple?: number
  /** Names of layers that stay as they are. */
  readonly keepLayer?: readonly string[]
  readonly seed?: number
}

export interface CompressResult {
  readonly model: Model
  /** Cost after ÷ before. */
  readonly ratio: number
  readonly layers: readonly FittedLayer[]
  /** Layers that cannot be compressed, and why. */
  readonly left: LayerSurvey['left']
}

/**
 * Compresses a model to a share of its cost: low-rank splits chosen by closed-form errors and fitted to samples, which need
 * no labels. Some hundred samples are enough. The given model is not changed; whether the result is good enough is for the
 * caller to measure (`compareSessions`).
 *
 * ```ts
 * const { model: half } = await compress(runtime, model, batches, { ratio: 0.5 })
 * ```
 * @param samples feeds of the model, in batches or one by one
 * @throws RefusedError when the ratio is out of reach, naming the nearest; InputError for a ratio that is no share
 */
export async function compress(
  runtime: Runtime,
  model: Model,
  samples: readonly Values[],
  options: CompressOptions,
): Promise<CompressResult> {
  const { ratio, cost = 'macs', method = 'auto', multiple = 1, keepLayer = [], seed = 0, ...watch } = options
  if (!(ratio > 0 && ratio <= 1)) throw new InputError(`a ratio is above 0 and at most 1, got ${ratio}`)
  const [first] = samples
  if (!first) throw new InputError('compress needs samples: give at least one')
  const products = fitProducts(runtime)
  try {
    const { model: rewritten, shapes } = await applyRewrites(runtime, model, workingPasses, first, watch)
    const survey = surveyLayers(rewritten, shapes)
    const kept = new Set(keepLayer)
    const cache = memoryCache()
    const { curves } = await selectionCurves(runtime, products, rewritten, survey.layers, samples, {
      ...{ ...watch, shapes, seed, method, cache },
      plain: false,
      key: '',
    })
    const counted = cost === 'bytes' ? parameterBytes : macs
    const choices = {
      ...{ layers: survey.layers, curves, keepLayer: kept, multiple, method, monotone: false },
      cost: counted,
      fixed: fixedCost(rewritten, survey, shapes, counted),
    }
    const [plan] = plansFor(choices, [ratio], 'knapsack')
    if (!plan) throw new RefusedError(`${ratio} is out of reach`)
    const free = survey.layers.filter(({ name }) => !kept.has(name))
    const fitting = { ...watch, shapes, seed, perSample: POSITIONS }
    const result = await refitModel(runtime, products, rewritten, free, plan.choices, samples, fitting)
    return { model: result.model, ratio: plan.ratio, layers: result.layers, left: survey.left }
  } finally {
    await products.close()
  }
}
