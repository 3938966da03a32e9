// Runs an analysis and prints its ranking.
import { join, parse } from 'node:path'
import type { AnalyzedLayer, AnalyzeRun } from '../pipeline/index.node.ts'
import type { AnalyzeRecipe } from '../pipeline/index.ts'
import { printRun } from './print-run.ts'
import { type RecipeFlags, withRuntime } from './session.ts'
import { aligned } from './table.ts'

/** Layers that the terminal shows. */
const SHOWN = 12

export async function runAnalyze(recipe: AnalyzeRecipe, flags: RecipeFlags): Promise<void> {
  const { analyzeFile, analyzeJson, analyzeReport, checkPage } = await import('../pipeline/index.node.ts')
  const page = pageBeside(recipe.model)
  if (flags.run === undefined && flags.report !== false) checkPage(page)
  await withRuntime(flags, async (runtime, watch) => {
    const run = await analyzeFile(runtime, recipe, watch)
    const report = analyzeReport(run, runtime)
    await printRun({ report, json: analyzeJson(run), files: [], page, lines: linesOf(run) }, flags)
  })
}

/** The report page where there is no run folder: `folder/model.analyze.html`. */
function pageBeside(model: string): string {
  const { dir, name } = parse(model)
  return join(dir, `${name}.analyze.html`)
}

function linesOf({ layers, noise, predicted, samples, latencyMs, seconds, notes }: AnalyzeRun): string[] {
  const shown = layers.slice(0, SHOWN)
  return [
    `everything in integers: ${db(noise)}; the noise of ${layers.length} layers and sums adds up to ${db(predicted)}; ${samples} samples, ${seconds.toFixed(1)} s`,
    ...(latencyMs
      ? [`latency ${latencyMs.float.toFixed(2)} ms in float, ${latencyMs.integer.toFixed(2)} ms in integers`]
      : []),
    '',
    ...aligned(
      ['layer', 'op', 'weights', 'activations', 'both', 'cause'],
      shown.map(({ name, op, noise: { weights, activations, both }, cause }) => [
        name,
        op,
        db(weights),
        db(activations),
        db(both),
        cause,
      ]),
    ),
    ...(layers.length > SHOWN ? [`and ${layers.length - SHOWN} more, all of them with --json`] : []),
    '',
    ...shown.slice(0, 5).map(remedyOf),
    ...notes.map((note) => `note: ${note}`),
  ]
}

function remedyOf({ name, cause, detail, remedy, bytes, ms }: AnalyzedLayer): string {
  const price = [...(bytes > 0 ? [`${bytes} bytes`] : []), ...(ms >= 0.005 ? [`about ${ms.toFixed(2)} ms`] : [])]
  return `${name}: ${cause}: ${detail}. Try ${remedy}${price.length > 0 ? ` (${price.join(', ')})` : ''}`
}

/** Noise as SQNR in dB. */
const db = (share: number) => (share > 0 ? `${(-10 * Math.log10(share)).toFixed(1)} dB` : '–')
