// Compression in memory, for programs: a model and samples in, a smaller model out.
import { InputError, type Watch } from '../../base/index.ts'
import type { FittedLayer, LayerSurvey, PruningOrder } from '../../compress/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { bytesBudget } from './budgets/bytes.ts'
import { macsBudget } from './budgets/macs.ts'
import { compressModel } from './compress-model.ts'
import { pruningMethod } from './methods/pruning.ts'
import { splitMethod } from './methods/splits.ts'
import type { Share } from './problem.ts'

export interface CompressOptions extends Watch {
  /** Share of the cost that may be left, above 0 and at most 1. */
  readonly ratio: number
  /** What is counted: multiply-accumulates (default) or parameter bytes. */
  readonly cost?: 'macs' | 'bytes'
  /** Low-rank splits of one kind or of both (default), or fewer channels. */
  readonly method?: 'spatial-svd' | 'weight-svd' | 'auto' | 'prune'
  /** In which order channels go. */
  readonly order?: PruningOrder
  /** Ranks, and channels that a layer keeps, are multiples of this. */
  readonly multiple?: number
  /** Names of layers that stay as they are. */
  readonly keepLayer?: readonly string[]
  /** Channels that never change stay too. */
  readonly keepDead?: boolean
  /** Weights only: samples are in no fit. */
  readonly plain?: boolean
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
 * Compresses a model to a share of its cost: low-rank splits chosen by closed-form errors, or fewer channels, fitted to samples,
 * which need no labels. Some hundred samples are enough. The given model is not changed; whether the result is good enough is for
 * the caller to measure (`compareSessions`), or for `compressModel`, which takes every budget and method.
 * @param samples feeds of the model, in batches or one by one
 * @throws RefusedError when the ratio is out of reach, naming the nearest; InputError for a ratio that is not a share
 * @example
 * ```ts
 * const { model: half, ratio, layers } = await compress(runtime, model, samples, { ratio: 0.5 })
 * ```
 */
export async function compress(
  runtime: Runtime,
  model: Model,
  samples: readonly Values[],
  options: CompressOptions,
): Promise<CompressResult> {
  const { ratio, cost = 'macs', method = 'auto', order = 'backward', ...rest } = options
  if (!(ratio > 0 && ratio <= 1)) throw new InputError(`a ratio is above 0 and at most 1, got ${ratio}`)
  const [sample] = samples
  if (!sample) throw new InputError('compress needs samples: give at least one')
  const fit = shareOf(samples)
  const { points, survey } = await compressModel(
    runtime,
    model,
    { sample, fit, judge: fit },
    {
      ...rest,
      budget: cost === 'bytes' ? bytesBudget([ratio]) : macsBudget([ratio]),
      methods: [method === 'prune' ? pruningMethod({ order }) : splitMethod({ family: method })],
    },
  )
  const [point] = points
  if (!point) throw new Error('a compression without a refusal has a result')
  return { model: point.model, ratio: point.plan.ratio, layers: point.layers, left: survey.left }
}

/** Feeds as they are, whatever the model would take at a time. */
function shareOf(feeds: readonly Values[]): Share {
  return {
    size: feeds.length,
    hasLabels: false,
    batches: async function* () {
      for (const [index, inputs] of feeds.entries()) {
        const size = Object.values(inputs)[0]?.dims[0] ?? 1
        yield { ids: Array.from({ length: size }, (_, row) => `${index}, row ${row}`), size, inputs }
      }
    },
  }
}
