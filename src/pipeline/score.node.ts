// evaluate and rewrite: the shortest commands.
import { InputError, type Watch } from '../base/index.ts'
import { channelStatistics } from '../calibrate/index.ts'
import { feedsOf, type Samples } from '../data/index.ts'
import { type MetricValue, scoreSession, usualMetric } from '../metrics/index.ts'
import { readModelFile, writeModelFile } from '../onnx/index.node.ts'
import { isOp, type Model, printValue, type Statistics } from '../onnx/index.ts'
import type { EvaluateRecipe, RewriteRecipe } from '../recipe/index.ts'
import {
  type AppliedRewrite,
  type AppliedRewrites,
  applyRewrites,
  channelRequests,
  foldBatchNorm,
  optionalPasses,
  type Pass,
  passNamed,
  rewritePasses,
} from '../rewrite/index.ts'
import { observeShapes, type Runtime, withSession } from '../runtime/index.ts'
import { growthNote } from './growth.ts'
import { checkLabels, loadMetric } from './metric.node.ts'
import { checkOutput, defaultOutput, weightsOf } from './output.node.ts'
import { chosen, readWorking } from './read-working.node.ts'
import { openSamples } from './samples.node.ts'
import { readBatches, withGuessedShapes } from './samples.ts'
import { subGraphNotes } from './sub-graphs.ts'
import { workingForm } from './working-form.ts'

/** Result of `evaluate`. */
export interface EvaluateRun {
  readonly metric: MetricValue
  readonly notes: readonly string[]
}

/** Scores a model on labelled samples. @throws InputError when there are no labels */
export async function evaluateFile(runtime: Runtime, recipe: EvaluateRecipe, watch: Watch = {}): Promise<EvaluateRun> {
  let metric = await loadMetric(recipe.metric)
  const { model, notes } = await readWorking(recipe.model)
  const dataset = await openSamples(recipe, model, recipe.data, watch)
  checkLabels(metric, dataset, recipe.data)
  const indices = chosen(dataset, recipe.samples)
  const { label } = await dataset.sample(indices[0] ?? 0)
  const inputs = await feedsOf(dataset, indices[0] ?? 0)
  // Labels that are lists of tokens are scored position by position; say so by the metric's name.
  if (metric.name === 'top1' && label !== undefined) metric = usualMetric([label])
  const shapes = await observeShapes(runtime, model, inputs, recipe.model)
  const figure = await withSession(runtime, model, { label: recipe.model }, (session) =>
    scoreSession(session, readBatches({ dataset, indices }, { model, shapes }, watch), {
      metric,
      total: indices.length,
      ...watch,
    }),
  )
  if (figure.samples === 0)
    throw new InputError(
      `no sample of ${recipe.data} could be scored by ${metric.name}; do its labels fit the output ${model.graph.outputs[0] ? printValue(model.graph.outputs[0]) : ''}?`,
      { file: recipe.data },
    )
  return { metric: figure, notes: [...notes, ...dataset.notes] }
}

/** Result of `rewrite`. */
export interface RewriteRun {
  readonly output: string
  readonly passes: readonly AppliedRewrite[]
  readonly notes: readonly string[]
}

/**
 * Rewrites a model into a better float form, each pass checked on a sample. Passes that need statistics of channels get
 * them from the samples; from random inputs there is nothing to learn, and BatchNormalization's own statistics serve.
 */
export async function rewriteFile(runtime: Runtime, recipe: RewriteRecipe, watch: Watch = {}): Promise<RewriteRun> {
  const output = recipe.output ?? defaultOutput(recipe.model, 'float')
  checkOutput(output, [recipe.model])
  const list: readonly Pass[] = recipe.passes.length === 0 ? rewritePasses : recipe.passes.map(passNamed)
  const first = recipe.data === 'random' ? -1 : list.findIndex((pass) => pass.needs === 'statistics')
  const given = await readModelFile(recipe.model)
  const form = workingForm(given, 'inference')
  const { model } = form
  const dataset = await openSamples(recipe, model, recipe.data, {
    count: first === -1 ? 1 : recipe.samples,
    signal: watch.signal,
  })
  const feeds = await feedsOf(dataset, 0)
  const options = { ...watch, label: recipe.model }
  let result = await withGuessedShapes(recipe, model, feeds, () =>
    applyRewrites(runtime, { model, feeds }, first === -1 ? list : list.slice(0, first), options),
  )
  if (first !== -1) {
    const { applied } = result
    const statistics = await statisticsOf(runtime, result, { dataset, indices: chosen(dataset, recipe.samples) }, watch)
    result = await applyRewrites(runtime, { model: result.model, feeds }, list.slice(first), { ...options, statistics })
    result = { ...result, applied: [...applied, ...result.applied] }
  }
  const written = model === given ? result.model : form.asGiven(form.stored(result.model))
  await writeModelFile(written, output, weightsOf(recipe))
  const grown = growthNote(given, written)
  return {
    output,
    passes: result.applied,
    notes: [
      ...(grown ? [grown] : []),
      ...given.notes,
      ...form.notes,
      ...subGraphNotes(model),
      ...dataset.notes,
      ...unfolded(model, list),
    ],
  }
}

/** What the samples show of the channels of a rewritten model, beside what its BatchNormalizations knew. */
async function statisticsOf(
  runtime: Runtime,
  { model, shapes, statistics }: AppliedRewrites,
  samples: Samples,
  watch: Watch,
): Promise<Statistics> {
  const batches = readBatches(samples, { model, shapes }, watch)
  const seen = await channelStatistics(runtime, model, batches, {
    requests: channelRequests(model, shapes),
    ...watch,
    shapes,
    total: samples.indices.length,
  })
  return new Map([...statistics, ...seen])
}

/** Passes that work on channels stop at a BatchNormalization. */
function unfolded(model: Model, list: readonly Pass[]): string[] {
  const works = list.find((pass) => optionalPasses.includes(pass))
  if (!works || list.includes(foldBatchNorm) || !model.graph.nodes.some((node) => isOp(node, 'BatchNormalization')))
    return []
  return [`${works.name} does not see through BatchNormalization: name fold-batch-norm before it`]
}
