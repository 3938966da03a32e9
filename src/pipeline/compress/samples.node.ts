// Which samples of a recipe are fitted to, which ones choices look at, and which ones the result is measured on.
import type { Watch } from '../../base/index.ts'
import { chooseSamples, type Dataset, feedsOf, shareSamples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { CompressRecipe } from '../../recipe/index.ts'
import { openSamples, scoringSamples } from '../samples.node.ts'
import { readAhead, readBatches, type ShareWatch } from '../samples.ts'
import type { CompressSamples, Share } from './problem.ts'

/** Samples that are scored at most: with labels, and without. */
const SCORED = { labelled: 5000, unlabelled: 1000 }

export interface SharedSamples extends CompressSamples {
  readonly report: Share
  readonly dataset: Dataset
  /** Ids of those that are fitted to. */
  readonly fitted: readonly string[]
  readonly notes: readonly string[]
  /** For the commands that go on from this one: what they keep from their fits, and what they do not score. */
  readonly next: Pick<ShareWatch, 'heldBack' | 'judged'>
}

/**
 * Opens the samples of a recipe and shares them out.
 * @param judges are there choices that look at samples? Every second one of those that would be scored is kept for them
 */
export async function compressSamples(
  recipe: CompressRecipe,
  model: Model,
  judges: boolean,
  watch: Watch,
): Promise<SharedSamples> {
  const { labels, ...unlabelled } = recipe
  const separate = recipe.val !== undefined
  const opened = { count: recipe.samples, equalLengths: recipe.finetune !== undefined, signal: watch.signal }
  const dataset = await openSamples(separate ? unlabelled : recipe, model, recipe.data, opened)
  const { fit, report: kept } = shareSamples(dataset.size, recipe.samples, { separate })
  const shares = judges ? 2 : 1
  const most = { ...watch, limit: shares * SCORED.labelled }
  const scoring = await scoringSamples(recipe, model, { dataset, indices: fit }, most)
  if (!separate) await readAhead(scoring, watch)
  const limit = shares * (scoring.dataset.hasLabels ? SCORED.labelled : SCORED.unlabelled)
  const scored = chooseSamples(scoring.indices.length, limit).map((place) => scoring.indices[place] ?? 0)
  const enough = judges && scored.length > 1
  const judged = enough ? scored.filter((_, place) => place % 2 === 0) : []
  const reported = enough ? scored.filter((_, place) => place % 2 === 1) : scored
  const fitShare = shareOf(dataset, fit)
  const set = new Set(judged)
  return {
    sample: await feedsOf(dataset, fit[0] ?? 0),
    fit: fitShare,
    judge: enough ? shareOf(scoring.dataset, judged) : fitShare,
    report: shareOf(scoring.dataset, reported),
    dataset,
    fitted: fit.map((index) => dataset.id(index)),
    notes: [
      enough ? judgedNote(judged.length, reported.length) : scoring.note,
      ...(judges && !enough ? [TOO_FEW] : []),
    ],
    // Random samples are drawn anew.
    next: separate ? { judged } : recipe.data === 'random' ? {} : { heldBack: kept.filter((index) => !set.has(index)) },
  }
}

const TOO_FEW =
  'there are too few samples to keep some for choices alone: what was chosen was chosen by samples that were fitted to'

function judgedNote(judged: number, reported: number): string {
  const some = (count: number) => (count === 1 ? 'one sample' : `${count} samples`)
  return `scored on ${some(reported)} that nothing was fitted to; choices looked at ${some(judged)} of the others`
}

/** Some samples of a data set, in batches that a model takes. */
function shareOf(dataset: Dataset, indices: readonly number[]): Share {
  return {
    size: indices.length,
    hasLabels: dataset.hasLabels,
    batches: (model, shapes, watch) => readBatches({ dataset, indices }, { model, shapes }, watch),
  }
}
