// --macs: multiply-accumulates that may be left.
import { macs } from '../../../compress/index.ts'
import type { Budget } from '../budget.ts'
import { shareOfCost } from './share.ts'

/** At most a share of the multiply-accumulates of one sample. @throws UsageError for what is not a share */
export function macsBudget(ratios: readonly number[]): Budget {
  return shareOfCost('macs', 'MACs', macs, ratios)
}
