// What a fine-tuning is worth: on samples that no fit has seen, against the model given, its teacher, or the quantised model before training.
import type { Watch } from '../../base/index.ts'
import { type Comparison, compareSessions, textOutputOf } from '../../metrics/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import { type LayerKernel, lintFusion, targetOf } from '../../quantize/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import { optimizedGraph } from '../../runtime/index.node.ts'
import { type Runtime, withSession } from '../../runtime/index.ts'
import { readBatches, type Scoring } from '../samples.ts'

export interface FinetuneMeasures {
  /** The model given against the tuned one, on the samples of --val or those that were kept from the training. */
  readonly comparison: Comparison
  /** Of a quantised result: the model given against what quantising alone makes of it, on the same samples. */
  readonly untrained?: Comparison
  /** With a teacher and without labels: the teacher against the model given, and against the tuned one. */
  readonly taught?: { readonly before: Comparison; readonly after: Comparison }
  /** Of a quantised result: the simulation against the file as ONNX Runtime runs it. */
  readonly deployed?: Comparison
  readonly kernels: readonly LayerKernel[]
}

export interface Measurable {
  readonly before: Model
  readonly after: Model
  /** The quantised model before it was trained, where that is another one. */
  readonly untrained?: Model | undefined
  /** What it was trained on. */
  readonly teacher: Model
  readonly shapes: Shapes
  /** The samples to score. */
  readonly scoring: Scoring
}

/** Compares models with each other. */
export async function measureTuned(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { before, after, untrained, teacher, shapes, scoring }: Measurable,
  watch: Watch,
): Promise<FinetuneMeasures> {
  const kernels = recipe.qat
    ? lintFusion(after, await optimizedGraph(runtime, after, 'the trained model'), targetOf(recipe.target))
    : []
  const compared = (first: Model, second: Model, step = 'compare', simulate = false): Promise<Comparison> =>
    withSession(runtime, first, { label: 'the model before', simulate }, (a) =>
      withSession(runtime, second, { label: 'the trained model' }, (b) => {
        const batches = readBatches(scoring, { model: before, shapes }, watch)
        return compareSessions(a, b, batches, {
          ...watch,
          total: scoring.indices.length,
          step,
          text: textOutputOf(before),
        })
      }),
    )
  const comparison = await compared(before, after)
  if (recipe.qat)
    return {
      comparison,
      untrained: untrained ? await compared(before, untrained) : comparison,
      deployed: await compared(after, after, 'deployed', true),
      kernels,
    }
  if (recipe.teacher === undefined || comparison.metric) return { comparison, kernels }
  const taught = { before: await compared(teacher, before), after: await compared(teacher, after) }
  return { comparison, taught, kernels }
}
