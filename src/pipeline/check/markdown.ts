// A check as Markdown, for the summary of a pull request.
import type { CheckRecipe } from '../../recipe/index.ts'
import { markdownParts } from '../../report/index.ts'
import type { CheckRun } from './run.ts'
import { checkWords } from './words.ts'

const { code, list, section, table, words } = markdownParts

/** Names of layers that are shown of those that changed alike. */
const SHOWN = 12

/** GitHub-flavoured Markdown with a newline at the end: the verdict, the limits, the figures, and what changed in the model. */
export function checkMarkdown(recipe: CheckRecipe, run: CheckRun): string {
  const told = checkWords(recipe, run)
  const undecided = told.limits.filter((_, index) => run.limits[index]?.kept === 'undecided')
  const parts = [
    `## ${words(told.verdict)}`,
    `${told.files.map(code).join(' → ')}, ${told.samples}`,
    table(
      ['Limit', 'Allowed', 'Measured', ''],
      told.limits.map((limit) => [limit.subject, limit.allowed, limit.measured, limit.outcome].map(words)),
    ),
    list(undecided.map(({ sentence }) => sentence)),
    table(
      ['', 'Before', 'After', 'Change'],
      told.figures.map((row) => [row.name, row.before, row.after, row.change].map(words)),
    ),
    section('What changed in the model', `${words(told.layers)}.`),
    table(
      ['Layers', '', 'Before', 'After'],
      told.groups.map(({ what, names, before, after }) => [
        [
          ...names.slice(0, SHOWN).map(code),
          ...(names.length > SHOWN ? [`and ${names.length - SHOWN} more`] : []),
        ].join(', '),
        names.length > 1 ? `${what} (${names.length})` : what,
        words(before ?? ''),
        words(after ?? ''),
      ]),
    ),
    list(told.changes),
    section('Notes', list(run.notes)),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
