// Latency budgets: the mildest plan that is really fast enough on this machine, found by timing models of its shapes.
import { RefusedError, report, throwIfCancelled, type Watch } from '../../base/index.ts'
import {
  type CompressibleLayer,
  type CostShape,
  type Factors,
  measuredTime,
  removeChannels,
  savingRanks,
  splitLayer,
  splitNamed,
  splitShapes,
  splitsFor,
  timeLayers,
  wholeShape,
} from '../../compress/index.ts'
import { matrix, quantile } from '../../math/index.ts'
import { GraphEditor, type Model } from '../../onnx/index.ts'
import { measureModels, type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { type EvaluationCache, monotoneFit } from '../../search/index.ts'
import { type Choices, changesNothing, type Plan, type PlanAt, totalCost } from './plan.ts'

/** A model of the same shapes as a plan's result; its weights mean nothing. */
function skeleton(
  model: Model,
  layers: readonly CompressibleLayer[],
  { choices: plan, removed, problem }: Plan,
): Model {
  if (problem && removed) return removeChannels(problem.model, problem.shapes, removed, problem.graph)
  const editor = new GraphEditor(model)
  for (const layer of layers) {
    const choice = plan.get(layer.name)
    if (!choice) continue
    const { geometry } = layer
    const split = splitNamed(choice.split)
    const { first, second } = split.positions(geometry)
    const width = geometry.inputsPerGroup * first[0] * first[1]
    const factors = (): Factors => ({
      first: filled(choice.rank, width),
      second: filled(geometry.outputsPerGroup * second[0] * second[1], choice.rank),
    })
    const bias = new Float64Array(geometry.groups * geometry.outputsPerGroup)
    splitLayer(editor, layer, split, Array.from({ length: geometry.groups }, factors), bias)
  }
  return editor.finish()
}

function filled(rows: number, columns: number) {
  const a = matrix(rows, columns)
  a.data.fill(0.01)
  return a
}

/** What a search under a latency budget works with. */
export interface LatencyContext extends Watch {
  readonly runtime: Runtime
  readonly model: Model
  /** What times are shares of: the model as it was given. */
  readonly original: Model
  /** Layers that may change. */
  readonly layers: readonly CompressibleLayer[]
  readonly sample: Values
  /** Timings are kept here, so that a run that goes on decides as before. */
  readonly cache: EvaluationCache
  /** Names model, runtime and machine. */
  readonly key: string
}

/** What is promised must hold in the next measurement too. */
const MARGIN = 0.95
/** Times that lie this close to the limit decide. */
const CLOSE = 0.15
/** Plans that are timed for a target. */
const TIMED = 7
const TIMING = { warmups: 5, rounds: 300, limitMs: 600 }

/**
 * For each wanted share of the original's time the plan of the largest cost whose measured time is below it, by halving the
 * range of costs. Every plan is timed as a model of its shapes, in turn with the original.
 * @throws RefusedError when no plan is fast enough, naming the fastest
 */
export async function plansForLatency(
  context: LatencyContext,
  planAt: PlanAt,
  ratios: readonly number[],
): Promise<Plan[]> {
  const results: Plan[] = []
  for (const ratio of ratios) results.push(await mildest(context, planAt, ratio))
  return results
}

/**
 * Low-rank splits against fewer channels: for each share of the time the mildest plan of both, and of those the
 * better one. Kernels of fewer channels are fast, splits lose less; which wins depends on the model.
 * @param judge how good the model of a plan is, higher is better; predicted losses of the two kinds do not compare
 * @throws RefusedError when neither is fast enough
 */
export async function fastestOfBoth(
  context: LatencyContext,
  ratios: readonly number[],
  split: PlanAt,
  cut: PlanAt | undefined,
  judge: (plan: Plan) => Promise<number>,
): Promise<Plan[]> {
  if (!cut) return plansForLatency(context, split, ratios)
  const results: Plan[] = []
  for (const ratio of ratios) {
    const found: Plan[] = []
    let refused: unknown
    for (const planAt of [split, cut])
      try {
        // What is fast enough as it is needs no other plan.
        if (!found.some(changesNothing)) found.push(...(await plansForLatency(context, planAt, [ratio])))
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error
        refused ??= error
      }
    const [only, other] = found
    if (!only) throw refused
    results.push(other && (await judge(other)) > (await judge(only)) ? other : only)
  }
  return results
}

interface TimedPlan {
  readonly plan: Plan
  readonly cost: number
  /** Share of the original's time. */
  readonly time: number
}

async function mildest(context: LatencyContext, planAt: PlanAt, ratio: number): Promise<Plan> {
  const limit = MARGIN * ratio
  const timed: TimedPlan[] = []
  // Costs between 0 and 1: what is out of reach counts as fast, so that the range closes in on what is there. First all of it:
  // what was rewritten may be fast enough.
  let [strong, mild] = [0, 1]
  let cost = 1
  for (let step = 0; step < TIMED; step++) {
    throwIfCancelled(context.signal)
    report(context, 'latency', step, TIMED, `${cost.toFixed(3)} of the cost`)
    const plan = planAt(cost)
    const time = plan ? await confirmedTime(context, plan, limit) : 0
    if (plan) timed.push({ plan, cost, time })
    if (time <= limit) strong = cost
    else mild = cost
    if (strong === 1) break
    cost = step === 0 ? ratio : (strong + mild) / 2
  }
  const found = mildestBelow(timed, limit)
  if (found) return found
  const fastest = Math.min(1, ...timed.map(({ time }) => time))
  throw new RefusedError(
    `${ratio} of the latency cannot be reached on this machine: the fastest of the plans that were timed takes ${fastest.toFixed(2)} of the original's time; relax the target`,
  )
}

/**
 * The plan of the largest cost below a time, by all timings together: of many noisy times a single one is below too
 * easily, and more work does not really take less time.
 */
function mildestBelow(timed: readonly TimedPlan[], limit: number): Plan | undefined {
  const rising = timed.toSorted((a, b) => a.cost - b.cost)
  const times = monotoneFit(rising.map(({ time }) => time))
  return rising.findLast((_, i) => (times[i] ?? 1) <= limit)?.plan
}

/** Time of a plan's model as a share of the original's; one that decides is taken twice, and the mean counts. */
async function confirmedTime(context: LatencyContext, plan: Plan, limit: number): Promise<number> {
  const { runtime, original, model, layers, sample, cache, key } = context
  const name = `${key}|latency of|${JSON.stringify([...plan.choices])}|${[...(plan.removed ?? [])]}`
  const take = (time: string) =>
    remembered(cache, `${name}|${time}`, () => timeShare(runtime, original, skeleton(model, layers, plan), sample))
  const first = await take('first')
  return Math.abs(first / limit - 1) < CLOSE ? (first + (await take('second'))) / 2 : first
}

/** Time of a model as a share of another's, measured as in the report: what is promised is what is told. */
export async function timeShare(runtime: Runtime, whole: Model, model: Model, sample: Values): Promise<number> {
  const { before, after } = await measureModels(runtime, whole, model, sample, TIMING)
  return after.medianMs / before.medianMs
}

/** A time of an earlier run, or one that is taken now and kept: who has the same times decides the same. */
export async function remembered(
  cache: EvaluationCache,
  name: string,
  measure: () => Promise<number>,
): Promise<number> {
  const known = cache.get(name)
  if (typeof known === 'number') return known
  const time = await measure()
  cache.put(name, time)
  return time
}

/** Ranks of a split that are timed, at most. */
const RANKS = 8

/**
 * The same choice by measured times of single layers: every layer whole, and split at some of the ranks that
 * may be chosen. What the whole model takes beyond its layers cannot be saved.
 */
export async function timedChoices(context: LatencyContext, choices: Choices, machine: string): Promise<Choices> {
  const { runtime, model, sample, cache } = context
  const shapes: CostShape[] = []
  for (const layer of choices.layers) {
    const { geometry, sizes } = layer
    shapes.push(wholeShape(geometry, sizes))
    for (const split of splitsFor(choices.method, layer)) {
      const ranks = savingRanks(choices.cost, split, geometry, sizes, choices.multiple)
      const step = Math.max(1, Math.ceil(ranks.length / RANKS))
      for (const [index, rank] of ranks.entries())
        if (index % step === 0) shapes.push(...splitShapes(split, geometry, sizes, rank))
    }
  }
  const name = (key: string) => `layer time|${machine}|${key}`
  const known = (key: string) => {
    const time = cache.get(name(key))
    return typeof time === 'number' ? time : undefined
  }
  const times = await timeLayers(runtime, shapes, context, {
    known,
    keep: (key, time) => cache.put(name(key), time),
  })
  // Shares are of the time of this model from here on.
  const { whole: _, ...rest } = choices
  const timed = { ...rest, cost: measuredTime(times), fixed: 0 }
  const whole = await remembered(cache, `${context.key}|time of the whole`, () =>
    withSession(runtime, model, { label: 'the model' }, async (session) => {
      const { milliseconds } = await runtime.time([session], [sample], TIMING)
      // A low quantile, as for the layers: what else the machine does only ever adds time.
      return quantile(milliseconds[0] ?? [0], 0.1)
    }),
  )
  return { ...timed, fixed: Math.max(0, whole - totalCost(timed)) }
}
