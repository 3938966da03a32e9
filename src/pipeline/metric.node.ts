// The metric of a recipe: a name, or a module of the person's own.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { InputError, messageOf } from '../base/index.ts'
import type { Dataset } from '../data/index.ts'
import { type Metric, metricNamed, ownMetric } from '../metrics/index.ts'

/**
 * @throws UsageError when there is no such metric
 * @throws InputError when the module cannot be loaded, or is not a metric
 */
export async function loadMetric(name: string): Promise<Metric> {
  if (!/\.[cm]?js$/i.test(name)) return metricNamed(name)
  if (!existsSync(name)) throw new InputError(`cannot load the metric ${name}: there is no such file`, { file: name })
  let module: { readonly default?: unknown }
  try {
    module = await import(pathToFileURL(resolve(name)).href)
  } catch (error) {
    throw new InputError(`cannot load the metric ${name}: ${messageOf(error).split('\n')[0]}`, { file: name }, error)
  }
  return ownMetric(module.default, name)
}

/** @throws InputError when the metric needs labels that the samples do not have */
export function checkLabels(metric: Metric, dataset: Dataset, path: string): void {
  if (metric.needsLabels && !dataset.hasLabels)
    throw new InputError(
      `${path} has no labels, and the metric ${metric.name} needs them; give --labels FILE (a CSV with the columns file,label), or --labels next-token for a language model`,
      { file: path },
    )
}
