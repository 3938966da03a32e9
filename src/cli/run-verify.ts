// Runs a verification, prints proven and own figures, and ends with exit code 6 where one does not hold.
import { RefusedError } from '../base/index.ts'
import type { VerifyRecipe } from '../pipeline/index.ts'
import { printJson, printLines, type RecipeFlags, withRuntime } from './session.ts'
import { aligned } from './table.ts'

/** @throws RefusedError when a figure does not hold, with a sentence for each */
export async function runVerify(recipe: VerifyRecipe, flags: RecipeFlags): Promise<void> {
  const { verifyFile } = await import('../pipeline/index.node.ts')
  const { formatDb } = await import('../report/index.ts')
  const run = await withRuntime(flags, (runtime, watch) => verifyFile(runtime, recipe, watch))
  const shown = (name: string, figure: number | null | undefined) =>
    name === 'layers' ? `${figure} differ` : formatDb(figure)
  if (flags.json) printJson(run)
  else
    printLines([
      `${run.holds ? '✔ the proof holds here' : '✖ the proof does not hold here'}: ${run.proof}`,
      ...aligned(
        ['', 'runtime', 'figure', 'proven', 'here'],
        run.figures.map(({ runtime, name, proven, here, holds }) => [
          holds ? '✔' : '✖',
          runtime,
          name,
          shown(name, proven),
          shown(name, here),
        ]),
      ),
      ...run.notes.map((note) => `note: ${note}`),
    ])
  if (run.holds) return
  const broken = run.figures.filter(({ holds }) => !holds)
  throw new RefusedError(
    broken
      .map(({ runtime, name, proven, here }) =>
        name === 'layers'
          ? `in ${runtime} these layers differ from the simulation here, and did not where the file was proven: ${run.differing[runtime]?.join(', ')}`
          : `in ${runtime} output ${name} is ${here === undefined ? 'not given' : `at ${shown(name, here)} of the simulation`} here, proven was ${shown(name, proven)}`,
      )
      .join('\n'),
  )
}
