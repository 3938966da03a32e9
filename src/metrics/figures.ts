// From scores to figures: the value with its 95 % interval, and the difference of two models from paired samples.
import { type Interval, meanInterval, pairedDifference, quantile, randomStream, wilsonInterval } from '../math/index.ts'
import type { Metric } from './metric.ts'

/** A scored metric. */
export interface MetricValue {
  readonly name: string
  /** Absent: a share. */
  readonly unit?: string
  readonly value: number
  /** Samples, or positions of sequences. */
  readonly samples: number
  readonly interval: Interval
}

/** A metric of two models on the same samples. */
export interface MetricPair {
  readonly name: string
  readonly unit?: string
  /** Absent: higher is better. */
  readonly lowerIsBetter?: true
  /** `after` is the distance from the first model, which has none itself. */
  readonly isDistance?: true
  readonly before: number
  readonly after: number
  readonly difference: number
  /** Of the difference, from the pairs. */
  readonly interval: Interval
  /** Of each model's own figure. */
  readonly intervals: { readonly before: Interval; readonly after: Interval }
  readonly samples: number
}

/** The figure of one model; without any score it is NaN, of 0 samples. */
export function figureOf(metric: Metric, scores: readonly unknown[]): MetricValue {
  const head = { name: metric.name, ...(metric.unit === undefined ? {} : { unit: metric.unit }) }
  const usable = scores.filter((score) => score !== undefined)
  const { total } = metric
  if (total) {
    const interval = resampled(usable.length, (pick) => total(pick.map((index) => usable[index])))
    return { ...head, value: total(usable), samples: usable.length, interval }
  }
  const values = usable.flatMap(numbersOf)
  return { ...head, value: meanOf(values), samples: values.length, interval: intervalOf(values, metric) }
}

/** The figures of two models from their scores of the same samples; undefined when no sample was scored by both. */
export function pairOf(metric: Metric, before: readonly unknown[], after: readonly unknown[]): MetricPair | undefined {
  const both = before.flatMap((score, index) => (score === undefined || after[index] === undefined ? [] : [index]))
  const [first, second] = [both.map((index) => before[index]), both.map((index) => after[index])]
  const [a, b] = [figureOf(metric, first), figureOf(metric, second)]
  if (a.samples === 0) return undefined
  return {
    name: metric.name,
    ...(metric.unit === undefined ? {} : { unit: metric.unit }),
    ...(metric.lowerIsBetter && { lowerIsBetter: metric.lowerIsBetter }),
    ...(metric.between && { isDistance: true as const }),
    before: a.value,
    after: b.value,
    difference: b.value - a.value,
    interval: differenceOf(metric, first, second),
    intervals: { before: a.interval, after: b.interval },
    samples: a.samples,
  }
}

function differenceOf(metric: Metric, before: readonly unknown[], after: readonly unknown[]): Interval {
  const { total } = metric
  if (total)
    return resampled(
      before.length,
      (pick) => total(pick.map((index) => after[index])) - total(pick.map((index) => before[index])),
    )
  const [a, b] = [before.flatMap(numbersOf), after.flatMap(numbersOf)]
  const differences = a.map((value, index) => (b[index] ?? value) - value)
  if (![...a, ...b].every((value) => value === 0 || value === 1)) return meanInterval(differences)
  const worse = differences.filter((value) => value < 0).length
  const better = differences.filter((value) => value > 0).length
  return pairedDifference(worse, better, a.length).interval
}

/** Wilson's for hits and misses, the mean's otherwise; that of a share stays inside 0 to 1. */
function intervalOf(values: readonly number[], { unit }: Metric): Interval {
  if (unit === undefined && values.every((value) => value === 0 || value === 1))
    return wilsonInterval(values.filter((value) => value === 1).length, values.length)
  const { low, high } = meanInterval(values)
  return unit === undefined ? { low: Math.max(0, low), high: Math.min(1, high) } : { low, high }
}

/** Times that the samples are drawn anew for the interval of a figure that is not a mean. */
const DRAWS = 200

/** The middle 95 % of a figure over samples drawn with replacement (bootstrap), the same draws every time. */
function resampled(count: number, figure: (indices: readonly number[]) => number): Interval {
  const random = randomStream(0, 'bootstrap')
  const figures = Array.from({ length: DRAWS }, () =>
    figure(Array.from({ length: count }, () => random.integer(0, Math.max(0, count - 1)))),
  )
  return { low: quantile(figures, 0.025), high: quantile(figures, 0.975) }
}

function numbersOf(score: unknown): number[] {
  return [score].flat().map(Number)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
