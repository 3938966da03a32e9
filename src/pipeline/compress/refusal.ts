// When a result is too far from the original to be handed out, and what a refusal says.
import type { Comparison } from '../../metrics/index.ts'
import type { Budget } from './budget.ts'
import type { Plan } from './plan.ts'
import { type PlansAt, planAt } from './plan.ts'

/** Below these, on samples that no fit has seen, a model is not handed out without --force. */
const LEAST_AGREEMENT = 0.75
const LEAST_SQNR_DB = 5

/** Why a result is too far from the original to be handed out, or undefined. */
export function tooFar({ agreement, kl, sqnrDb }: Comparison): string | undefined {
  const db = Object.values(sqnrDb)[0]
  if (agreement !== undefined)
    return agreement >= LEAST_AGREEMENT
      ? undefined
      : `on held-back samples it agrees with the original on ${(100 * agreement).toFixed(0)} % (KL ${kl?.toFixed(2)} nats), at least ${100 * LEAST_AGREEMENT} % are needed`
  return typeof db !== 'number' || db >= LEAST_SQNR_DB
    ? undefined
    : `its first output has an SQNR of ${db.toFixed(1)} dB on held-back samples, at least ${LEAST_SQNR_DB} dB are needed`
}

/** Shares of the way back to the original at which a milder model is tried, the mildest first. */
const MILDER = [0.95, 0.8, 0.5]

export interface Refused {
  readonly budget: Budget
  readonly target: number | undefined
  /** What is wrong with the result. */
  readonly far: string
  readonly plansAt: PlansAt
  /** A milder result against the original. */
  readonly compare: (plan: Plan) => Promise<Comparison>
}

/** The sentence of a refusal: what is wrong, and the strongest of some milder models that does its job. */
export async function explainRefusal({ budget, target, far, plansAt, compare }: Refused): Promise<string> {
  const what = target === undefined ? 'the result' : `${target} of the ${budget.unit}`
  const start = `${what} is refused: ${far}`
  const end = '--force writes it all the same'
  if (target === undefined || budget.looksAt === 'times') return `${start}; ${end}`
  let found: string | undefined
  for (const step of MILDER) {
    const ratio = Math.round(1000 * (target + step * (1 - target))) / 1000
    const plan = planAt(plansAt, ratio)
    if (!plan) continue
    const comparison = await compare(plan)
    const agreement =
      comparison.agreement === undefined ? '' : ` (agreement ${(100 * comparison.agreement).toFixed(0)} %)`
    if (!tooFar(comparison)) found = `the strongest that was found to do is ${ratio}${agreement}`
    else if (found) break
    else
      return `${start}; even ${ratio} fails${agreement}: its layers have no slack, keep the original or fine-tune; ${end}`
  }
  return `${start}; ${found ?? 'no milder one is in reach'}; ${end}`
}
