// Runs a comparison of two models and prints it.
import type { CompareRecipe } from '../pipeline/index.ts'
import { printJson, printLines, type RecipeFlags, withRuntime } from './session.ts'

export async function runCompare(recipe: CompareRecipe, flags: RecipeFlags): Promise<void> {
  const [
    { compareInDepth, compareJson, deepJson, deepLines },
    { outputRows, similarityWords },
    { formatMetricValue, formatSigned },
  ] = await Promise.all([
    import('../pipeline/index.node.ts'),
    import('../pipeline/index.ts'),
    import('../report/index.ts'),
  ])
  const run = await withRuntime(flags, (runtime, watch) => compareInDepth(runtime, recipe, watch))
  const { deep, proof } = run
  if (flags.json)
    return printJson({
      ...compareJson(run),
      ...(deep ? { deep: deepJson(deep) } : {}),
      ...(proof === undefined ? {} : { proof }),
    })
  const { comparison, latency, sizeBytes, layers } = run
  const { agreement, kl, metric, similarity } = comparison
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`
  const db = (value: number | null) => (value === null ? 'exact' : `${value.toFixed(1)} dB`)
  printLines([
    ...(metric
      ? [
          `${metric.name}: ${formatMetricValue(metric, metric.before)} → ${formatMetricValue(metric, metric.after)} (${formatSigned(metric.difference, metric.unit)}, 95 % ${formatSigned(metric.interval.low, metric.unit)} to ${formatSigned(metric.interval.high, metric.unit)})`,
        ]
      : []),
    ...(agreement === undefined ? [] : [`agreement ${percent(agreement)}, KL ${kl?.toFixed(4)}`]),
    ...(similarity ? [similarityWords(similarity)] : []),
    ...Object.entries(outputRows(comparison)).map(([name, value]) => `SQNR of ${name}: ${db(value)}`),
    `latency ${latency.before.medianMs.toFixed(2)} → ${latency.after.medianMs.toFixed(2)} ms, size ${sizeBytes.before} → ${sizeBytes.after} bytes, ${comparison.samples} samples`,
    ...layers
      .toSorted((a, b) => (a.sqnrDb ?? 999) - (b.sqnrDb ?? 999))
      .slice(0, 5)
      .map((layer) => `worst layer ${layer.name}: ${db(layer.sqnrDb)}`),
    ...(deep ? deepLines(deep) : []),
    ...(proof === undefined ? [] : [`proof written to ${proof}`]),
    ...run.notes.map((note) => `note: ${note}`),
  ])
}
