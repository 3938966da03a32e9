// Limits of a check: what each allows, what was measured, and whether that is shown, refuted or open.
import { InputError } from '../../base/index.ts'
import { type Interval, wilsonInterval } from '../../math/index.ts'
import type { Comparison, DropTest, SqnrSpread } from '../../metrics/index.ts'
import type { CheckRecipe } from '../../recipe/index.ts'
import { formatBytes, formatDb, formatFixed, formatInteger, formatNumber, formatPercent } from '../../report/index.ts'
import type { Latency } from '../../runtime/index.ts'
import { worstOutput } from '../verdict.ts'

/** The limits that there are, by their words on the command line. */
export type LimitName = 'max-drop' | 'min-agreement' | 'min-sqnr' | 'max-bytes' | 'max-size' | 'max-latency'

/** One limit, and what became of it. */
export interface Limit {
  readonly name: LimitName
  readonly limit: number
  /** What was measured; null is an exact match. */
  readonly value: number | null
  /** 95 %: the value itself decides where there is none. */
  readonly interval?: Interval
  /** "undecided": the interval lies on both sides of the limit. */
  readonly kept: boolean | 'undecided'
  /** Samples beyond those that were taken which would decide it, roughly; absent where no number would, or none is needed. */
  readonly more?: number
  /** Samples on which only one of the models is right. */
  readonly only?: { readonly before: number; readonly after: number }
  /** What it is about, what is allowed and what was measured, for people. */
  readonly words: { readonly subject: string; readonly allowed: string; readonly measured: string }
}

/** What a check measured. */
export interface Checked {
  readonly comparison: Comparison
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly latency: { readonly before: Latency; readonly after: Latency }
  readonly spread: Pick<SqnrSpread, 'interval'>
  /** Of the metric's drop; absent where only the interval of all samples tells. */
  readonly drop?: DropTest | undefined
}

/**
 * Holds what was measured against the limits of a recipe.
 * @throws InputError for a limit on what these models and samples do not have
 */
export function limitsOf(recipe: CheckRecipe, checked: Checked): Limit[] {
  const { maxDrop, minAgreement, minSqnr, maxBytes, maxSize, maxLatency } = recipe
  const { before, after } = checked.sizeBytes
  return [
    ...(maxDrop === undefined ? [] : [dropLimit(maxDrop, checked)]),
    ...(minAgreement === undefined ? [] : [agreementLimit(minAgreement, checked.comparison)]),
    ...(minSqnr === undefined ? [] : [sqnrLimit(minSqnr, checked)]),
    ...(maxBytes === undefined ? [] : [bytesLimit(maxBytes, after)]),
    ...(maxSize === undefined ? [] : [ratioLimit('max-size', maxSize, { value: after / before })]),
    ...(maxLatency === undefined ? [] : [ratioLimit('max-latency', maxLatency, latencyRatio(checked.latency))]),
  ]
}

/** Whether all hold. */
export function outcomeOf(limits: readonly Limit[]): boolean | 'undecided' {
  if (limits.some(({ kept }) => kept === false)) return false
  return limits.every(({ kept }) => kept === true) || 'undecided'
}

/** One sentence: what was measured, and what was allowed. */
export function sentenceOf({ kept, more, words: { subject, allowed, measured } }: Limit): string {
  const outcome = kept === true ? 'kept' : kept === false ? 'broken' : 'undecided'
  const rest =
    kept !== 'undecided'
      ? ''
      : more === undefined
        ? '; the figure lies too near the limit to tell'
        : `; about ${formatInteger(more)} more samples like these would tell`
  return `${subject} is ${measured}, allowed is ${allowed}: ${outcome}${rest}`
}

function judged(value: number, interval: Interval | undefined, holds: (value: number) => boolean): Limit['kept'] {
  if (!interval) return holds(value)
  const [low, high] = [holds(interval.low), holds(interval.high)]
  return low === high ? low : 'undecided'
}

function dropLimit(limit: number, { comparison: { metric, unscored }, drop }: Checked): Limit {
  if (!metric)
    throw new InputError(
      `--max-drop needs a metric, and none of these samples could be scored${unscored === undefined ? '' : `: ${unscored}`}`,
    )
  const { name, unit, difference, lowerIsBetter } = metric
  const words = (value: number, { low, high }: Interval) => ({
    subject: `the drop of ${name}`,
    allowed: `at most ${amount(limit, unit)}`,
    measured: `${amount(value, unit)} (95 % ${number(low, unit)} to ${number(high, unit)}) over ${formatInteger(metric.samples)} samples`,
  })
  if (drop) {
    const interval = drop.interval()
    const more = drop.more()
    return {
      name: 'max-drop',
      limit,
      value: drop.mean,
      interval,
      kept: drop.verdict === 'undecided' ? 'undecided' : drop.verdict === 'below',
      ...(more !== undefined && more > 0 && Number.isFinite(more) ? { more } : {}),
      only: drop.only,
      words: words(drop.mean, interval),
    }
  }
  const value = lowerIsBetter ? difference : -difference
  const { low, high } = metric.interval
  const interval = lowerIsBetter ? { low, high } : { low: -high, high: -low }
  const kept = judged(value, interval, (each) => each <= limit)
  const more = kept === 'undecided' ? moreFor(value, interval, limit, metric.samples) : undefined
  return { name: 'max-drop', limit, value, interval, kept, ...more, words: words(value, interval) }
}

function agreementLimit(limit: number, { agreement, samples, rows = samples }: Comparison): Limit {
  if (agreement === undefined)
    throw new InputError(
      '--min-agreement needs classifiers, whose first output has one row of classes for a sample: hold these models to --min-sqnr',
    )
  const intervalOf = (count: number) => wilsonInterval(agreement * count, count)
  const interval = intervalOf(rows)
  const holds = (share: number) => share >= limit
  // That all agree can be refuted and never shown: then these samples decide.
  const kept = judged(agreement, limit === 1 ? undefined : interval, holds)
  let more: { readonly more?: number } = {}
  if (kept === 'undecided' && agreement !== limit) {
    let count = rows
    while (judged(agreement, intervalOf(count), holds) === 'undecided' && count < 1e12) count *= 1.1
    more = { more: Math.ceil(count - rows) }
  }
  const words = {
    subject: 'agreement',
    allowed: `at least ${formatPercent(limit)}`,
    measured: `${formatPercent(agreement)} (95 % ${formatPercent(interval.low)} to ${formatPercent(interval.high)}) over ${formatInteger(rows)} ${rows === samples ? 'samples' : 'positions'}`,
  }
  return { name: 'min-agreement', limit, value: agreement, interval, kept, ...more, words }
}

function sqnrLimit(limit: number, { comparison, spread }: Checked): Limit {
  const worst = worstOutput(comparison)
  if (!worst) throw new InputError('--min-sqnr needs an output of floats that the models share, and there is none')
  const { name, db: value } = worst
  const words = { subject: `the SQNR of ${name}`, allowed: `at least ${formatDb(limit)}`, measured: formatDb(value) }
  if (value === null) return { name: 'min-sqnr', limit, value, kept: true, words }
  const interval = spread.interval(name)
  const kept = judged(value, interval, (db) => db >= limit)
  if (!interval) return { name: 'min-sqnr', limit, value, kept, words }
  const more = kept === 'undecided' ? moreFor(value, interval, limit, comparison.samples) : {}
  const measured = `${formatDb(value)} (95 % ${formatFixed(interval.low, 1)} to ${formatFixed(interval.high, 1)}) over ${formatInteger(comparison.samples)} samples`
  return { name: 'min-sqnr', limit, value, interval, kept, ...more, words: { ...words, measured } }
}

function bytesLimit(limit: number, value: number): Limit {
  const [allowed, measured] = [`at most ${exactBytes(limit)}`, exactBytes(value)]
  return { name: 'max-bytes', limit, value, kept: value <= limit, words: { subject: 'the file', allowed, measured } }
}

function ratioLimit(
  name: 'max-size' | 'max-latency',
  limit: number,
  { value, interval }: { readonly value: number; readonly interval?: Interval },
): Limit {
  const span = interval ? ` (95 % ${formatFixed(interval.low, 2)} to ${formatFixed(interval.high, 2)})` : ''
  const words = {
    subject: name === 'max-size' ? 'the size' : 'the latency',
    allowed: `at most ${formatFixed(limit, 2)} times what it was`,
    measured: `${formatFixed(value, 2)} times${span}`,
  }
  const kept = judged(value, interval, (ratio) => ratio <= limit)
  return { name, limit, value, ...(interval ? { interval } : {}), kept, words }
}

/** Ratio of two medians; each has the error that its quartiles suggest for values that scatter normally. */
function latencyRatio({ before, after }: Checked['latency']): { readonly value: number; readonly interval: Interval } {
  const value = after.medianMs / before.medianMs
  const errors = [before, after].map(
    ({ medianMs, lowMs, highMs, runs }) => ((highMs - lowMs) / 1.349) * (1.2533 / Math.sqrt(runs) / medianMs),
  )
  const half = 1.96 * Math.hypot(...errors)
  return { value, interval: { low: value * Math.exp(-half), high: value * Math.exp(half) } }
}

/** An interval shrinks with the root of the number of samples. */
function moreFor(value: number, { low, high }: Interval, limit: number, samples: number): { readonly more?: number } {
  const half = value < limit ? high - value : value - low
  const more = Math.ceil(samples * ((half / (value - limit)) ** 2 - 1))
  return Number.isFinite(more) && more > 0 ? { more } : {}
}

/** "1.0 points" for shares. */
function amount(value: number, unit: string | undefined): string {
  return `${number(value, unit)} ${unit ?? 'points'}`.trim()
}

function number(value: number, unit: string | undefined): string {
  return unit === undefined ? formatFixed(100 * value, Math.abs(value) < 0.01 ? 2 : 1) : formatNumber(value)
}

function exactBytes(bytes: number): string {
  return bytes < 10_000 ? `${formatInteger(bytes)} bytes` : `${formatInteger(bytes)} bytes (${formatBytes(bytes)})`
}
