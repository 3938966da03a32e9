// What a fine-tuning is worth: on --val against the model given, its teacher, or the quantised model before training.
import type { Watch } from '../base/index.ts'
import { batches, chooseSamples, readSamples } from '../data/index.ts'
import { type Comparison, compareSessions } from '../metrics/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import { type LayerKernel, lintFusion, ortCpu } from '../quantize/index.ts'
import { optimizedGraph } from '../runtime/index.node.ts'
import { fixedBatch, type Runtime, withSession } from '../runtime/index.ts'
import type { FinetuneRecipe } from './recipe.ts'
import { openSamples } from './samples.node.ts'

export interface FinetuneMeasures {
  /** The model given against the tuned one, on the samples of --val. */
  readonly comparison?: Comparison
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
}

/** Compares models on --val; without it only kernels are counted. */
export async function measureTuned(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { before, after, untrained }: Measurable,
  watch: Watch,
): Promise<FinetuneMeasures> {
  const kernels = recipe.qat ? lintFusion(after, await optimizedGraph(runtime, after, 'the trained model'), ortCpu) : []
  if (recipe.val === undefined) return { kernels }
  const dataset = await openSamples(recipe, before, recipe.val, watch)
  const indices = chooseSamples(dataset.size, dataset.size)
  const size = fixedBatch(before) ?? 32
  const compared = (first: Model, second: Model, step = 'compare', simulate = false): Promise<Comparison> =>
    withSession(runtime, first, { label: 'the model before', simulate }, (a) =>
      withSession(runtime, second, { label: 'the trained model' }, (b) => {
        const read = readSamples(dataset, indices, { signal: watch.signal })
        return compareSessions(a, b, batches(read, size), indices.length, watch, step)
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
  const teacher = await readModelFile(recipe.teacher)
  const taught = { before: await compared(teacher, before), after: await compared(teacher, after) }
  return { comparison, taught, kernels }
}
