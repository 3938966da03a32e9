// A check in words, for the terminal and for a pull request alike.
import type { CheckRecipe } from '../../recipe/index.ts'
import { formatInteger } from '../../report/index.ts'
import { type LayerGroup, layerCount, layerGroups, otherChanges } from './describe.ts'
import { type FigureRow, figureRows } from './figures.ts'
import { type Limit, sentenceOf } from './limits.ts'
import type { CheckRun } from './run.ts'

/** What a check has to say, part by part. */
export interface CheckWords {
  /** One line: do the limits hold? */
  readonly verdict: string
  /** Names of the two files. */
  readonly files: readonly [string, string]
  /** "448 samples" */
  readonly samples: string
  readonly limits: readonly (Limit['words'] & { readonly outcome: string; readonly sentence: string })[]
  readonly figures: readonly FigureRow[]
  /** One line: how many layers changed. */
  readonly layers: string
  readonly groups: readonly LayerGroup[]
  /** What else differs in the models, a line each. */
  readonly changes: readonly string[]
  /** A sentence for each limit that does not hold; those that are undecided among them, unless the recipe lets them pass. */
  readonly refusals: readonly string[]
}

/** Puts a check into words. */
export function checkWords({ model, other, allowUndecided }: CheckRecipe, run: CheckRun): CheckWords {
  const { comparison, difference, limits } = run
  const refused = limits.filter(({ kept }) => kept === false || (kept === 'undecided' && !allowUndecided))
  return {
    verdict: verdictOf(run),
    files: fileNames(model, other),
    samples: `${formatInteger(comparison.samples)} samples`,
    limits: limits.map((limit) => ({
      ...limit.words,
      outcome: outcomes[`${limit.kept}`],
      sentence: sentenceOf(limit),
    })),
    figures: figureRows(run),
    layers: layerCount(difference),
    groups: layerGroups(difference),
    changes: otherChanges(difference),
    refusals: refused.map(sentenceOf),
  }
}

const outcomes = { true: '✔ kept', false: '✖ broken', undecided: '? undecided' } as const

function verdictOf({ kept, limits }: Pick<CheckRun, 'kept' | 'limits'>): string {
  if (limits.length === 0) return 'No limit was given'
  const count = (what: unknown) => limits.filter((limit) => limit.kept === what).length
  const all = limits.length === 1 ? 'The limit' : `All ${limits.length} limits`
  if (kept === true) return `✔ ${all} ${limits.length === 1 ? 'holds' : 'hold'}`
  const of = `of ${limits.length} ${limits.length === 1 ? 'limit' : 'limits'}`
  if (kept === false) return `✖ ${count(false)} ${of} ${count(false) === 1 ? 'is' : 'are'} broken`
  return `? ${count('undecided')} ${of} ${count('undecided') === 1 ? 'is' : 'are'} undecided`
}

/** The two files by their names, with folders where these are the same. */
function fileNames(before: string, after: string): readonly [string, string] {
  const [a, b] = [before, after].map((path) => path.split(/[\\/]/).at(-1) ?? path)
  return a === undefined || b === undefined || a === b ? [before, after] : [a, b]
}
