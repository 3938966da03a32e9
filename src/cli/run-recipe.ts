// Runs a recipe of any command and prints what it gave. The commands only make recipes.
import type { Recipe } from '../pipeline/index.ts'
import { printJson, printLines, type RecipeFlags, withRuntime } from './session.ts'

/** Runs a recipe; results go to stdout, everything else to stderr. A run folder keeps how it went. */
export async function runRecipe(recipe: Recipe, flags: RecipeFlags): Promise<void> {
  const folder = flags.run
  if (folder === undefined) return dispatch(recipe, flags)
  const { recordRun } = await import('../pipeline/index.node.ts')
  return recordRun(folder, recipe, () => dispatch(recipe, flags))
}

async function dispatch(recipe: Recipe, flags: RecipeFlags): Promise<void> {
  switch (recipe.command) {
    case 'quantize':
      return (await import('./run-quantize.ts')).runQuantize(recipe, flags)
    case 'finetune':
      return (await import('./run-finetune.ts')).runFinetune(recipe, flags)
    case 'evaluate': {
      const { evaluateFile } = await import('../pipeline/index.node.ts')
      const { metric, notes } = await withRuntime(flags, (runtime, watch) => evaluateFile(runtime, recipe, watch))
      const [{ metricJson }, { formatMetricValue }] = await Promise.all([
        import('../pipeline/index.ts'),
        import('../report/index.ts'),
      ])
      if (flags.json) return printJson({ metric: metricJson(metric), notes })
      const [value, low, high] = [metric.value, metric.interval.low, metric.interval.high].map((figure) =>
        formatMetricValue(metric, figure),
      )
      return printLines([
        `${metric.name} ${value} of ${metric.samples} (95 % ${low} to ${high})`,
        ...notes.map((note) => `note: ${note}`),
      ])
    }
    case 'compress':
      return (await import('./run-compress.ts')).runCompress(recipe, flags)
    case 'compare':
      return (await import('./run-compare.ts')).runCompare(recipe, flags)
    case 'analyze':
      return (await import('./run-analyze.ts')).runAnalyze(recipe, flags)
    case 'check':
      return (await import('./run-check.ts')).runCheck(recipe, flags)
    case 'verify':
      return (await import('./run-verify.ts')).runVerify(recipe, flags)
    case 'variants':
      return (await import('./run-variants.ts')).runVariants(recipe, flags)
    case 'rewrite': {
      const { rewriteFile } = await import('../pipeline/index.node.ts')
      const run = await withRuntime(flags, (runtime, watch) => rewriteFile(runtime, recipe, watch))
      if (flags.json)
        return printJson({
          output: run.output,
          passes: run.passes.map(({ name, kind, changes, skipped, sqnrDb, kept, refused }) => ({
            name,
            kind,
            kept,
            changes,
            skipped,
            ...(sqnrDb === undefined ? {} : { sqnrDb, ...(sqnrDb === null ? { exact: true } : {}) }),
            ...(refused ? { refused } : {}),
          })),
          notes: run.notes,
        })
      return printLines([
        ...run.passes.map((pass) => `${pass.name}: ${passText(pass)}`),
        ...run.notes.map((note) => `note: ${note}`),
        `written to ${run.output}`,
      ])
    }
  }
}

function passText(pass: { changes: readonly string[]; sqnrDb?: number | null; refused?: string }): string {
  if (pass.refused) return `reverted, ${pass.refused}`
  if (pass.changes.length === 0) return 'nothing to do'
  return `${pass.changes.length} changes, ${pass.sqnrDb === null || pass.sqnrDb === undefined ? 'outputs exact' : `${pass.sqnrDb.toFixed(0)} dB`}`
}
