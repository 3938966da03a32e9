// Walking along the curve: the smallest model within a drop of the metric, and the mildest one when a result was refused.
import { InputError, RefusedError, report } from '../../base/index.ts'
import type { CompressRecipe } from '../recipe.ts'
import type { Plan, PlanAt } from './plan.ts'
import {
  type Compressed,
  compressBy,
  measurePoint,
  type PointContext,
  type PointMeasures,
  tooFar,
} from './point.node.ts'

/** A plan with what came of it. */
interface Found {
  /** Models that were scored on the way. */
  readonly evaluations: number
  readonly plan: Plan
  readonly compressed: Compressed
  readonly measures: PointMeasures
}

/** Ratios from mild to strong among which --max-drop looks. */
const STEPS = Array.from({ length: 18 }, (_, i) => (19 - i) / 20)

/** The smallest model whose paired drop of the metric stays below the limit, by bisection over the curve. */
export async function smallestWithin(context: PointContext, recipe: CompressRecipe, planAt: PlanAt): Promise<Found> {
  const most = recipe.maxDrop ?? 0
  if (!context.scoring.dataset.hasLabels)
    throw new InputError('--max-drop needs labels: give --labels FILE, or --val with labelled samples')
  let best: Found | undefined
  let mildest = ''
  let low = 0
  let evaluations = 0
  let high = STEPS.length - 1
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    report(context, 'max-drop', low, STEPS.length, `${STEPS[middle]}`)
    const plan = planAt(STEPS[middle] ?? 1)
    if (!plan) {
      high = middle - 1
      continue
    }
    const compressed = await compressBy(context, plan)
    const measures = await measurePoint(context, compressed)
    evaluations++
    const drop = -(measures.comparison.metric?.difference ?? -1)
    if (drop <= most) {
      best = { evaluations, plan, compressed, measures }
      low = middle + 1
    } else {
      mildest = `${STEPS[middle]} of the MACs already loses ${(100 * drop).toFixed(2)} points`
      high = middle - 1
    }
  }
  if (!best) throw new RefusedError(`no compressed model stays within a drop of ${100 * most} points: ${mildest}`)
  return { ...best, evaluations }
}

/** Shares of the way back to the original at which a milder model is tried, the mildest first. */
const MILDER = [0.95, 0.8, 0.5]

/** The sentence of a refusal: what is wrong, and the strongest of some milder models that does its job. */
export async function explainRefusal(
  context: PointContext,
  planAt: PlanAt,
  recipe: CompressRecipe,
  target: number | undefined,
  far: string,
): Promise<string> {
  const what =
    target === undefined
      ? 'the result'
      : `${target} of the ${recipe.bytes ? 'parameter bytes' : recipe.latency ? 'latency' : 'MACs'}`
  const start = `${what} is refused: ${far}`
  const end = '--force writes it all the same'
  if (target === undefined || recipe.latency) return `${start}; ${end}`
  let found: string | undefined
  for (const step of MILDER) {
    const ratio = Math.round(1000 * (target + step * (1 - target))) / 1000
    const plan = planAt(ratio)
    if (!plan) continue
    const { comparison } = await measurePoint(context, await compressBy(context, plan))
    const agreement =
      comparison.agreement === undefined ? '' : ` (agreement ${(100 * comparison.agreement).toFixed(0)} %)`
    if (!tooFar(comparison)) found = `the strongest that was found to do is ${ratio}${agreement}`
    else if (found) break
    else
      return `${start}; even ${ratio} fails${agreement}: its layers have no slack, keep the original or fine-tune; ${end}`
  }
  return `${start}; ${found ?? 'no milder one is in reach'}; ${end}`
}
