// --manual: nothing is searched for; the method knows one plan.
import { macs } from '../../../compress/index.ts'
import type { Budget } from '../budget.ts'

/** The plan that the method has, whatever it costs. */
export function asPlanned(): Budget {
  return {
    name: 'manual',
    unit: 'MACs',
    cost: macs,
    targets: [undefined],
    looksAt: 'costs',
    search: async (plansAt) => plansAt([1]),
  }
}
