// check: a new model against the one before it, as `compare` compares them, held to limits.

import type { Watch } from '../../base/index.ts'
import { InputError, randomStream } from '../../base/index.ts'
import type { Dataset } from '../../data/index.ts'
import { SqnrSpread } from '../../metrics/index.ts'
import { readModelFile, writeFileAtomic } from '../../onnx/index.node.ts'
import { differenceOf } from '../../onnx/index.ts'
import type { CheckRecipe } from '../../recipe/index.ts'
import { formatInteger } from '../../report/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { compareFiles } from '../compare.node.ts'
import type { CompareRun } from '../compare-run.ts'
import { checkOutput } from '../output.node.ts'
import { type Limit, limitsOf, outcomeOf } from './limits.ts'
import { checkMarkdown } from './markdown.ts'
import type { CheckRun } from './run.ts'
import { SampledDrop } from './sampled-drop.ts'

/**
 * Compares two models and holds the result to the limits of the recipe. Samples come in random order; where the drop of a metric is all
 * that they are for, they end when that is decided. A summary that was asked for is written whatever the outcome.
 */
export async function checkFiles(runtime: Runtime, recipe: CheckRecipe, watch: Watch = {}): Promise<CheckRun> {
  const { markdown, maxDrop } = recipe
  if (markdown !== undefined) checkOutput(markdown, [recipe.model, recipe.other], '--markdown')
  const difference = differenceOf(await readModelFile(recipe.model), await readModelFile(recipe.other))
  const spread = new SqnrSpread()
  const drop = maxDrop === undefined ? undefined : new SampledDrop(maxDrop)
  const forDropAlone = recipe.minAgreement === undefined && recipe.minSqnr === undefined
  const run = await compareFiles(runtime, recipe, {
    ...watch,
    examine: (dataset) => checkHasLabels(recipe, dataset),
    order: (indices) => randomStream(recipe.seed, 'check').shuffle(indices),
    each: (seen) => {
      spread.add(seen.before, seen.after, seen.batch)
      drop?.add(seen)
      return forDropAlone && drop?.test !== undefined && drop.test.verdict !== 'undecided'
    },
    timed: recipe.maxLatency !== undefined,
  })
  const limits = limitsOf(recipe, { ...run, spread, drop: drop?.test })
  const checked: CheckRun = {
    ...run,
    kept: outcomeOf(limits),
    limits,
    difference,
    notes: [...notesOf(recipe, run, limits), ...run.notes],
  }
  if (markdown !== undefined) await writeFileAtomic(markdown, checkMarkdown(recipe, checked))
  return checked
}

/** @throws InputError where a drop is limited, and there is nothing to score samples by */
function checkHasLabels({ maxDrop, metric, data }: CheckRecipe, { hasLabels }: Dataset): void {
  if (maxDrop === undefined || metric !== undefined || hasLabels) return
  throw new InputError(
    `--max-drop needs labels, and ${data} has none: give --labels FILE, or hold the model to --min-agreement or --min-sqnr`,
    { file: data },
  )
}

function notesOf({ data }: CheckRecipe, { comparison, chosen }: CompareRun, limits: readonly Limit[]): string[] {
  const { samples } = comparison
  return [
    ...(limits.length === 0 ? ['no limit was given: see --help'] : []),
    ...(samples < chosen
      ? [`stopped after ${formatInteger(samples)} of ${formatInteger(chosen)} samples, which decide the drop`]
      : []),
    ...(data === 'random'
      ? ['random inputs show that the models go through; what they show of noise means little']
      : []),
  ]
}
