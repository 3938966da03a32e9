// What a compression is asked for: a search for the plans that meet it.
import type { Watch } from '../../base/index.ts'
import type { CostModel } from '../../compress/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { Plan, PlansAt, Refusal } from './plan.ts'

export interface Budget {
  /** Goes into the names of files. */
  readonly name: string
  /** What its shares are shares of, for sentences. */
  readonly unit: string
  /** The cost that a choice adds up. */
  readonly cost: CostModel
  /** Wanted shares of the original, mildest first; a single undefined where no share is asked for. */
  readonly targets: readonly (number | undefined)[]
  /** What the search looks at: predicted costs, measured times, or scores of models on the samples that judge. */
  readonly looksAt: 'costs' | 'times' | 'scores'
  /** A plan for each target, in their order, or why there is none. */
  readonly search: (plansAt: PlansAt, measure: Measure, watch: Watch) => Promise<readonly (Plan | Refusal)[]>
}

/** Models of plans, measured while a plan is looked for. */
export interface Measure {
  /** Time of a model of the plan's shapes as a share of the original's; each round is a measurement of its own. */
  readonly time: (plan: Plan, round: 'first' | 'second') => Promise<number>
  /** Do the samples that judge have labels? */
  readonly hasLabels: boolean
  /** The finished model of a plan against the original, on the samples that judge. */
  readonly compare: (plan: Plan) => Promise<Comparison>
}
