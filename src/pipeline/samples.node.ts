// From what a recipe says about samples to data sets, batches and the choice of which samples do what.
import { openDataset, readPreprocess } from '../data/index.node.ts'
import { chooseSamples, type Dataset, type Preprocess, type Samples } from '../data/index.ts'
import { type Bounds, type Model, vocabularies } from '../onnx/index.ts'
import type { SampleRecipe } from '../recipe/index.ts'
import { comparedConstants } from './compared-constants.ts'
import { boundsOfPictures, givenPreprocess, type Scoring, type ScoringOptions, unusedSamples } from './samples.ts'

export interface OpenedFor {
  /** For `random`: how many. */
  readonly count?: number | undefined
  /** Sentences are padded to the longest one: a training graph takes samples of one size. */
  readonly equalLengths?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Opens the samples of a recipe; the preprocessing is the recipe's, or else the one stored in the model. */
export async function openSamples(
  recipe: SampleRecipe,
  model: Model,
  path: string = recipe.data,
  { count, equalLengths, signal }: OpenedFor = {},
): Promise<Dataset> {
  const preprocess = await preprocessOf(recipe, model)
  return openDataset(path, {
    inputs: model.graph.inputs,
    seed: recipe.seed,
    exif: recipe.exif,
    shapes: recipe.shape,
    ...(preprocess ? { preprocess } : {}),
    ...(recipe.labels !== undefined ? { labels: recipe.labels } : {}),
    ...(count === undefined ? {} : { count }),
    constants: comparedConstants(model),
    vocabularies: vocabularies(model),
    tokenizer: recipe.tokenizer,
    processor: recipe.processor,
    modelFile: recipe.model,
    equalLengths,
    signal,
  })
}

async function preprocessOf({ preprocess }: SampleRecipe, model: Model): Promise<Preprocess | undefined> {
  return typeof preprocess === 'string' ? readPreprocess(preprocess) : givenPreprocess(preprocess, model)
}

/** What each channel of a graph input can hold; see `boundsOfPictures`. */
export async function inputBounds(recipe: SampleRecipe, model: Model): Promise<Map<string, Bounds[]>> {
  return boundsOfPictures(await preprocessOf(recipe, model), model)
}

/** Chooses the samples to score. @param fitted the samples of `data` that were fitted to */
export async function scoringSamples(
  recipe: SampleRecipe & { readonly val?: string },
  model: Model,
  fitted: Samples,
  { limit = Number.MAX_SAFE_INTEGER, heldBack, judged = [], ...watch }: ScoringOptions = {},
): Promise<Scoring> {
  if (recipe.val !== undefined) {
    const dataset = await openSamples(recipe, model, recipe.val, watch)
    const seen = new Set(judged)
    const open = Array.from({ length: dataset.size }, (_, index) => index).filter((index) => !seen.has(index))
    const indices = chooseSamples(open.length, Math.min(limit, open.length)).map((place) => open[place] ?? 0)
    return { dataset, indices, note: `scored on ${indices.length} samples of ${recipe.val}` }
  }
  return unusedSamples(fitted.dataset, fitted.indices, limit, heldBack)
}
