// What a compression is told.
import type { Watch } from '../../base/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { WorkingForm } from '../working-form.ts'
import type { Budget } from './budget.ts'
import type { Method } from './method.ts'
import type { CompressHost } from './problem.ts'

export interface CompressModelOptions extends Watch {
  readonly budget: Budget
  /** Of several the result closer to the original is taken, for each target. */
  readonly methods: readonly Method[]
  readonly host?: CompressHost
  /** Names of layers that stay exactly as they are. */
  readonly keepLayer?: readonly string[]
  /** Channels that never change stay too. */
  readonly keepDead?: boolean
  /** Ranks, and channels that a layer keeps, are multiples of this; default: 1, and for times the block of the machine. */
  readonly multiple?: number
  /** Weights only: no data in the fits. */
  readonly plain?: boolean
  readonly seed?: number
  /** Why a result must not be handed out, by its comparison on the samples of the report; absent: every result is. */
  readonly refuse?: (comparison: Comparison) => string | undefined
  /** Hands out refused results too, with the reason. */
  readonly force?: boolean
  /** How the model is called in errors: its file. */
  readonly label?: string
  /** The form in which the model is worked on, where that is known already. */
  readonly form?: WorkingForm
  /** Stored in the results: how samples were prepared. */
  readonly preprocess?: string | undefined
}
