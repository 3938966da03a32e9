// Samples between data set and model, wherever they come from: batches, the choice of what is scored, preprocessing.
import { InputError, messageOf, RuntimeFailure, sizeOf, type Watch } from '../base/index.ts'
import {
  type Batch,
  batches,
  chooseSamples,
  type Dataset,
  type Preprocess,
  parsePreprocess,
  readSamples,
  type Samples,
} from '../data/index.ts'
import type { Bounds, Model, ShapedModel, Shapes } from '../onnx/index.ts'
import { pixelBounds } from '../quantize/index.ts'
import type { SampleRecipe } from '../recipe/index.ts'
import { fixedBatch, type Values } from '../runtime/index.ts'
import { finiteDataset } from './finite-dataset.ts'

/** Where the preprocessing is kept in a written model, so that later commands need not repeat it. */
export const PREPROCESS_KEY = 'onnxpress.preprocess'

/** The preprocessing given as an object, or else the one stored in the model. */
export function givenPreprocess(given: unknown, model: Model): Preprocess | undefined {
  if (given) return parsePreprocess(given, 'the preprocessing of the recipe')
  const stored = model.metadata.get(PREPROCESS_KEY)
  return stored === undefined ? undefined : parsePreprocess(JSON.parse(stored), 'the preprocessing stored in the model')
}

/**
 * What each channel of a graph input can hold when it is a picture: (pixel · scale − mean)/std for pixels from 0 to 255. Empty
 * without a preprocessing.
 */
export function boundsOfPictures(preprocess: Preprocess | undefined, model: Model): Map<string, Bounds[]> {
  const input = model.graph.inputs[0]
  return new Map(preprocess?.scale === undefined || !input ? [] : [[input.name, pixelBounds(preprocess)]])
}

/** Samples read ahead and joined to batches that the model can take and that keep memory small. */
export function readBatches(
  { dataset, indices }: Samples,
  { model, shapes }: ShapedModel,
  watch: Watch = {},
): AsyncIterable<Batch> {
  return batches(readSamples(dataset, indices, { signal: watch.signal }), batchSizeFor(model, shapes))
}

/** Elements of all values of a batch together, at most; a value lives shortly, so this is far above the peak. */
const BATCH_ELEMENTS = 16e6

/** How many samples run together. */
export function batchSizeFor(model: Model, shapes: Shapes): number {
  const fixed = fixedBatch(model)
  if (fixed !== undefined) return Math.max(1, fixed)
  // Without a batch axis everywhere the model may mix samples, and some are seen to: one at a time.
  const outputs = model.graph.outputs.map((output) => shapes.get(output.name))
  if (outputs.some((shape) => shape?.batchAxis !== 0 || shape.mixed)) return 1
  let elements = 0
  for (const shape of shapes.values()) elements += shape.dims.reduce((a, b) => a * b, 1)
  return Math.min(32, Math.max(1, Math.floor(BATCH_ELEMENTS / elements)))
}

/** Watching a command that may go on from another one. */
export interface ShareWatch extends Watch {
  /** Samples of `data` that the command before kept from its fits: this one keeps them too, and reports on them. */
  readonly heldBack?: readonly number[] | undefined
  /** Samples of `val` that a choice of the command before looked at: this one does not report on them. */
  readonly judged?: readonly number[] | undefined
}

/** How many samples are scored, and which of them are not. */
export interface ScoringOptions extends ShareWatch {
  /** At most; all by default. */
  readonly limit?: number
}

/** Samples to score: a set of their own, or those that were kept from every fit (`shareSamples`). */
export interface Scoring extends Samples {
  readonly note: string
}

/** At most `limit` of the samples that are in no fit: `heldBack`, or all that `used` leaves; a single one is scored again. */
export function unusedSamples(
  dataset: Dataset,
  used: readonly number[],
  limit: number,
  heldBack?: readonly number[],
): Scoring {
  const taken = new Set(used)
  const rest = (heldBack ?? Array.from({ length: dataset.size }, (_, i) => i)).filter((i) => !taken.has(i))
  if (rest.length === 0)
    return {
      dataset,
      indices: used,
      note: 'there is a single sample, and it is scored although it was fitted to: the figures promise nothing for others',
    }
  const indices = chooseSamples(rest.length, Math.min(limit, rest.length)).map((i) => rest[i] ?? 0)
  const samples = indices.length === 1 ? 'one sample' : `${indices.length} samples`
  const checked = finiteDataset(dataset, used[0] ?? 0)
  return { dataset: checked, indices, note: `scored on ${samples} that nothing was fitted to` }
}

/** Elements of samples that are looked at ahead, at most. */
const AHEAD_ELEMENTS = 64e6

/**
 * Reads the samples that will be scored: one that cannot be ends the command before its work, not after it. Pictures are left
 * out, which hold nothing but numbers, and what lies beyond 64 million elements.
 * @throws InputError naming the sample
 */
export async function readAhead({ dataset, indices }: Scoring, { signal }: Watch): Promise<void> {
  if (dataset.preprocess) return
  let elements = 0
  for (const index of indices) {
    const { inputs } = await dataset.sample(index, signal)
    elements += Object.values(inputs).reduce((sum, { dims }) => sum + sizeOf(dims), 0)
    if (elements > AHEAD_ELEMENTS) return
  }
}

/**
 * Runs what first runs the model. When it fails on random inputs of free sizes, the sizes are to blame.
 * @throws InputError naming the sizes and the option that gives others
 */
export async function withGuessedShapes<T>(
  recipe: SampleRecipe,
  model: Model,
  feeds: Values,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const free = model.graph.inputs.some(({ shape }) => shape?.some((dim, axis) => axis > 0 && typeof dim !== 'number'))
    if (recipe.data !== 'random' || !free || !(error instanceof RuntimeFailure)) throw error
    const sizes = model.graph.inputs.map(({ name }) => `${name}:${feeds[name]?.dims.join('x') || 'scalar'}`)
    throw new InputError(
      `the model does not run on random inputs of ${sizes.join(', ')}; give other sizes with --shape (${messageOf(error)})`,
      error.place,
      error,
    )
  }
}
