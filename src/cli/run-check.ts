// Runs a check, prints what it measured, and ends with exit code 6 where a limit does not hold.
import { RefusedError } from '../base/index.ts'
import type { CheckWords } from '../pipeline/index.node.ts'
import type { CheckRecipe } from '../pipeline/index.ts'
import { printJson, printLines, type RecipeFlags, withRuntime } from './session.ts'
import { aligned } from './table.ts'

/** @throws RefusedError when a limit is broken, or not shown to hold, with a sentence for each */
export async function runCheck(recipe: CheckRecipe, flags: RecipeFlags): Promise<void> {
  const { checkFiles, checkJson, checkWords } = await import('../pipeline/index.node.ts')
  const run = await withRuntime(flags, (runtime, watch) => checkFiles(runtime, recipe, watch))
  const words = checkWords(recipe, run)
  if (flags.json) printJson(checkJson(run))
  else printLines([...linesOf(words), ...run.notes.map((note) => `note: ${note}`)])
  if (words.refusals.length > 0) throw new RefusedError(words.refusals.join('\n'))
}

/** Names of layers that are shown of those that changed alike. */
const SHOWN = 5

function linesOf({ verdict, files, samples, limits, figures, layers, groups, changes }: CheckWords): string[] {
  const held = limits.map(({ outcome, subject, measured, allowed }) => [outcome, subject, measured, allowed])
  return [
    `${verdict}: ${files.join(' → ')}, ${samples}`,
    ...(held.length > 0 ? ['', ...aligned(['', 'limit on', 'measured', 'allowed'], held)] : []),
    '',
    ...aligned(
      ['', 'before', 'after', 'change'],
      figures.map(({ name, before, after, change }) => [name, before, after, change]),
    ),
    '',
    layers,
    ...groups.map(({ what, names, before, after }) => {
      const forms = [before, after].filter((form) => form !== undefined).join(' → ')
      const rest = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
      return `${what}: ${forms}: ${names.slice(0, SHOWN).join(', ')}${rest}`
    }),
    ...changes,
  ]
}
