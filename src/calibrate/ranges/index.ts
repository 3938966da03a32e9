// range settings: from statistics of a tensor to the range its grid covers; one file a method, listed here.
// Imports base and math; knows nothing of models, sessions or data.
import { UsageError } from '../../base/index.ts'
import { entropy } from './entropy.ts'
import { minmax } from './minmax.ts'
import { mse } from './mse.ts'
import { percentile } from './percentile.ts'
import type { RangeSetting } from './range.ts'
import { sqnr } from './sqnr.ts'

export { marginOf } from './margin.ts'
export { mseRangeOfValues } from './mse-values.ts'
export {
  defineRange,
  type Range,
  type RangeMethod,
  type RangeOptions,
  type RangeSetting,
  statisticsOf,
  type TensorStatistics,
} from './range.ts'

/** All range settings. */
export const rangeSettings: readonly RangeSetting[] = listed([minmax, percentile, mse, sqnr, entropy])

/**
 * The range setting of a name.
 * @throws UsageError when there is none
 */
export function rangeSettingOf(name: string): RangeSetting {
  const found = rangeSettings.find((setting) => setting.name === name)
  if (found) return found
  const names = rangeSettings.map((setting) => setting.name)
  throw new UsageError(`there is no range setting "${name}"; choose one of ${names.join(', ')}`)
}

/** The settings as they are, once it is sure that no two share a name. */
export function listed(settings: readonly RangeSetting[]): readonly RangeSetting[] {
  const names = new Set<string>()
  for (const { name } of settings) {
    if (names.has(name)) throw new UsageError(`two range settings are called "${name}"; rename one`)
    names.add(name)
  }
  return settings
}
