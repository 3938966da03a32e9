// --bytes: parameter bytes that may be left.
import { parameterBytes } from '../../../compress/index.ts'
import type { Budget } from '../budget.ts'
import { shareOfCost } from './share.ts'

/** At most a share of the bytes of float32 weights and biases. @throws UsageError for what is not a share */
export function bytesBudget(ratios: readonly number[]): Budget {
  return shareOfCost('bytes', 'parameter bytes', parameterBytes, ratios)
}
