// compare: two models with the same inputs and outputs, on the same samples.
import { stat } from 'node:fs/promises'
import { InputError, report, type Watch } from '../base/index.ts'
import type { LayerSqnr } from '../calibrate/index.ts'
import { type Dataset, feedsOf, type Samples } from '../data/index.ts'
import { type ComparedBatch, compareSessions, comparisonNotes, textOutputOf } from '../metrics/index.ts'
import { filesOfModel } from '../onnx/index.node.ts'
import { layersOf, type Model, printValue, type Shapes } from '../onnx/index.ts'
import type { CompareRecipe } from '../recipe/index.ts'
import {
  measureLatency,
  measureModels,
  observeShapes,
  type Runtime,
  type Session,
  type Values,
  withSession,
} from '../runtime/index.ts'
import type { CompareRun } from './compare-run.ts'
import { checkLabels, loadMetric } from './metric.node.ts'
import { fewSamples, sqnrOfLayers } from './quantize/measure.ts'
import { chosen, readWorking } from './read-working.node.ts'
import { openSamples } from './samples.node.ts'
import { batchSizeFor, readBatches, withGuessedShapes } from './samples.ts'

/** Samples that walk through both models for the per-layer SQNR. */
const WALKED = 8

/** What a comparison takes beside its recipe. */
export interface CompareFilesOptions extends Watch {
  /** Is told of the samples before the first run; throws where they do not serve. */
  readonly examine?: (dataset: Dataset) => void
  /** The order in which samples are taken, where not their own. */
  readonly order?: (indices: readonly number[]) => readonly number[]
  /** Looks at each batch as well; true ends the comparison behind it. */
  readonly each?: (seen: ComparedBatch) => boolean
  /** Times are to decide something: they are taken from several sessions of each model. */
  readonly timed?: boolean
}

/** Compares any two models with the same inputs and outputs. */
export async function compareFiles(
  runtime: Runtime,
  recipe: Omit<CompareRecipe, 'command' | 'deep' | 'repair' | 'proof'>,
  options: CompareFilesOptions = {},
): Promise<CompareRun> {
  const { examine, order = (all) => all, each, timed = false, ...watch } = options
  const [{ model: first, notes }, { model: second }] = [
    await readWorking(recipe.model),
    await readWorking(recipe.other),
  ]
  checkSameInterface(first, second, recipe)
  const metric = recipe.metric === undefined ? undefined : await loadMetric(recipe.metric)
  const dataset = await openSamples(recipe, first, recipe.data, watch)
  if (metric) checkLabels(metric, dataset, recipe.data)
  examine?.(dataset)
  const indices = order(chosen(dataset, recipe.samples))
  const sample = await feedsOf(dataset, indices[0] ?? 0)
  const shapes = await withGuessedShapes(recipe, first, sample, () =>
    observeShapes(runtime, first, sample, recipe.model),
  )
  return withSession(runtime, first, { label: recipe.model }, (before) =>
    withSession(runtime, second, { label: recipe.other }, async (after) => {
      // Together they take as many samples at a time as the one that takes fewer.
      const seen = await observeShapes(runtime, second, sample, recipe.other)
      const fewer =
        batchSizeFor(second, seen) < batchSizeFor(first, shapes)
          ? { model: second, shapes: seen }
          : { model: first, shapes }
      const batches = readBatches({ dataset, indices }, fewer, watch)
      const comparison = await compareSessions(before, after, batches, {
        ...watch,
        total: indices.length,
        metric,
        text: textOutputOf(first),
        each,
      })
      report(watch, { step: 'latency', done: 0, total: 1 })
      return {
        comparison,
        chosen: indices.length,
        latency: timed
          ? await measureModels(runtime, [first, second], sample)
          : await measureOpened(runtime, before, after, sample),
        sizeBytes: { before: await bytesOf(recipe.model), after: await bytesOf(recipe.other) },
        layers: await commonLayers(runtime, { first, second, shapes }, { dataset, indices }, watch),
        notes: [...new Set([...notes, ...dataset.notes, ...comparisonNotes(comparison)])],
      }
    }),
  )
}

async function measureOpened(
  runtime: Runtime,
  before: Session,
  after: Session,
  sample: Values,
): Promise<CompareRun['latency']> {
  const [a, b] = await measureLatency(runtime, [before, after], sample)
  if (!a || !b) throw new InputError('there is no sample to time the models on')
  return { before: a, after: b }
}

/** Bytes of a model, its external data among them. */
async function bytesOf(path: string): Promise<number> {
  const sizes = (await filesOfModel(path)).map(async (file) => (await stat(file)).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** Two models, and the shapes of the first. */
interface Compared {
  readonly first: Model
  readonly second: Model
  readonly shapes: Shapes
}

/** Per-layer SQNR where both models have the layers' outputs; a model whose layers were renamed or cut has none. */
async function commonLayers(
  runtime: Runtime,
  { first, second, shapes }: Compared,
  { dataset, indices }: Samples,
  watch: Watch,
): Promise<readonly LayerSqnr[]> {
  if (layersOf(first).length === 0) return []
  const walked = { dataset, indices: indices.slice(0, WALKED) }
  const samples = await fewSamples(walked, { model: first, shapes }, watch)
  return sqnrOfLayers(runtime, { float: first, quantized: second, shapes }, samples, watch)
}

function checkSameInterface(first: Model, second: Model, recipe: Pick<CompareRecipe, 'model' | 'other'>): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const [a, b] = [first, second].map((model) =>
      model.graph[side].map((value) => `${value.name} ${value.dtype}`).join(', '),
    )
    if (a !== b)
      throw new InputError(
        `the models have different ${side}: ${recipe.model} has ${first.graph[side].map(printValue).join(', ')}, ${recipe.other} has ${second.graph[side].map(printValue).join(', ')}`,
      )
  }
}
