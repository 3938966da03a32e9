// Quantisation without a single sample: BatchNormalization's statistics stand for data, and biases are corrected by formula.
import type { Watch } from '../../base/index.ts'
import type { Bounds, Model, Statistics } from '../../onnx/index.ts'
import { correctBiasAnalytic, type QuantizeOptions, statisticsWithoutData } from '../../quantize/index.ts'
import {
  type AppliedRewrite,
  checkRewrite,
  EXACT_BOUND_DB,
  equalize,
  explicitBiases,
  foldDeadChannels,
  type Observed,
  observeModel,
  type RewriteResult,
  randomLike,
} from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { type Built, buildQuantized } from './build.ts'
import type { Technique } from './techniques.ts'

export interface WithoutDataOptions extends Watch {
  readonly quantize: QuantizeOptions
  readonly techniques: readonly Technique[]
  readonly clip: 'hold' | 'exact'
  /** What each graph input holds, from the preprocessing. */
  readonly inputs: ReadonlyMap<string, readonly Bounds[]>
  readonly label: string
}

export interface BuiltWithoutData {
  readonly float: Model
  readonly shapes: Observed['shapes']
  readonly built: Built
  readonly rewrites: readonly AppliedRewrite[]
  readonly notes: readonly string[]
}

/** Deviations that a range holds: with corrected biases a closer one is better. */
const DEVIATIONS = { corrected: 4, plain: 6 }
/** On random inputs a held cap binds where the statistics say that it never would. */
const HOLD_BOUND_DB = 20

/**
 * Folds, equalises, sets ranges and corrects biases from the statistics of folded BatchNormalizations alone. Nothing is judged:
 * there is nothing to judge with.
 * @throws UnsupportedError when the model has no BatchNormalization, or a range stays unknown
 */
export async function buildWithoutData(
  runtime: Runtime,
  model: Model,
  given: Statistics,
  feeds: Values,
  options: WithoutDataOptions,
): Promise<BuiltWithoutData> {
  const { quantize, techniques, clip, inputs, label, signal, progress } = options
  const rewrites: AppliedRewrite[] = []
  const corrects = techniques.includes('correct-bias')
  const deviations = corrects ? DEVIATIONS.corrected : DEVIATIONS.plain
  const notes = [
    `no samples: ranges are mean ± ${deviations} deviations of BatchNormalization's statistics, which know nothing of the inputs that the model will see`,
  ]
  let seen = await observeModel(runtime, model, feeds, randomLike(feeds), label)
  let float = model
  let statistics = given
  const apply = async (rewrite: Parameters<typeof checkRewrite>[1], result: RewriteResult) => {
    const step = await checkRewrite(runtime, rewrite, result, seen, { signal, label })
    rewrites.push(step.applied)
    if (step.applied.refused) notes.push(`${rewrite.name} was taken back: ${step.applied.refused}`)
    if (step.seen) [float, seen, statistics] = [result.model, step.seen, result.statistics]
  }
  const channelsOf = () =>
    statisticsWithoutData(float, statistics, { shapes: seen.shapes, deviations, inputs, wanted: [] }).channels
  if (corrects) await apply(explicitBiases, explicitBiases.apply(float, { shapes: seen.shapes, statistics }))
  if (techniques.includes('fold-dead-channels'))
    await apply(foldDeadChannels, foldDeadChannels.apply(float, { shapes: seen.shapes, statistics }))
  if (techniques.includes('equalize')) {
    const channels = channelsOf()
    const result = await equalize(float, seen.shapes, channels, {
      weights: quantize.weights,
      clip,
      signal,
      progress,
    })
    // What travels on is BatchNormalization's own statistics, scaled like everything else.
    const scaled = new Map([...result.statistics].filter(([value]) => statistics.has(value)))
    const kind = clip === 'hold' ? 'bounded' : 'exact'
    await apply(
      { name: 'equalize', kind, boundDb: clip === 'hold' ? HOLD_BOUND_DB : EXACT_BOUND_DB },
      { ...result, statistics: scaled },
    )
  }
  const source = (wanted: readonly string[]) =>
    statisticsWithoutData(float, statistics, { shapes: seen.shapes, deviations, inputs, wanted }).tensors
  let built = await buildQuantized(runtime, float, seen.shapes, source, quantize, { signal, progress })
  if (corrects) {
    const corrected = correctBiasAnalytic(float, built.plan.weights, statistics, seen.shapes)
    float = corrected.model
    const left = corrected.left.length
    if (left > 0)
      notes.push(`${left} biases were not corrected: ${corrected.left[0]?.name}: ${corrected.left[0]?.reason}`)
    // The grids stay those that the correction was computed for.
    built = await buildQuantized(runtime, float, seen.shapes, source, quantize, { signal, progress })
  }
  return { float, shapes: seen.shapes, built, rewrites, notes }
}
