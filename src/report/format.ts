// Numbers as people read them: one place decides units, digits and signs for every rendering.
import type { IntervalRow, VariantRow } from './report.ts'

/** What stands where a figure was not measured. */
export const notMeasured = '–'

/** A number with a real minus sign and a fixed count of decimals. */
export function formatFixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals)
  return value < 0 && Number(text) !== 0 ? `−${text}` : text
}

/** A bare number to four significant digits, or `digits`: "0.03125", "−12.5", "1.2e−8". */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return notMeasured
  if (value === 0) return '0'
  const size = Math.abs(value)
  const text = size >= 1e-4 && size < 1e6 ? String(Number(size.toPrecision(digits))) : shortExponent(size)
  return `${value < 0 ? '−' : ''}${text.replace('e-', 'e−').replace('e+', 'e')}`
}

/** A count with thousands separators: "1,234,567". */
export function formatInteger(value: number): string {
  const whole = Math.round(value)
  return `${whole < 0 ? '−' : ''}${String(Math.abs(whole)).replace(/\B(?=(\d{3})+$)/g, ',')}`
}

/** A large count in three digits: "940", "471 k", "4.23 M", "1.20 G". */
export function formatCount(value: number): string {
  return value < 1000 ? formatInteger(value) : scaled(value, 1000, ['', 'k', 'M', 'G', 'T'], threeDigits)
}

/** Bytes in decimal units: "512 B", "11.5 kB", "3.9 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${formatInteger(bytes)} B`
  return scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB'], (value) => value.toFixed(value < 99.95 ? 1 : 0))
}

/** Ticks of an axis in bytes: one unit for all of them, chosen by the largest value. */
export function byteAxis(highest: number): { readonly unit: string; readonly format: (bytes: number) => string } {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, highest)) / 3)))
  return { unit: units[power] ?? 'B', format: (bytes) => formatNumber(bytes / 1000 ** power) }
}

/** Milliseconds, with half of the interquartile range when known: "5.24 ± 0.03 ms". */
export function formatMs(ms: number, spreadMs?: number): string {
  const [factor, unit] = ms < 0.1 ? [1000, 'µs'] : ms < 10_000 ? [1, 'ms'] : [0.001, 's']
  const decimals = decimalsFor(ms * factor)
  const value = formatFixed(ms * factor, decimals)
  if (spreadMs === undefined) return `${value} ${unit}`
  return `${value} ± ${formatFixed(spreadMs * factor, decimals)} ${unit}`
}

/** A span of work: "0.4 s", "12 s", "3 min 4 s". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${formatFixed(seconds, 1)} s`
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** A share 0..1 in per cent. Never rounds up to 100 % or down to 0 % what is neither. */
export function formatPercent(share: number, decimals = 1): string {
  if (!Number.isFinite(share)) return notMeasured
  const percent = share * 100
  if (percent === 0 || percent === 100) return `${percent} %`
  for (let digits = decimals; digits <= decimals + 2; digits++) {
    const text = formatFixed(percent, digits)
    if (Number(text) !== 0 && Number(text) !== 100) return `${text} %`
  }
  const step = 10 ** -(decimals + 2)
  if (percent > 99) return percent < 100 ? `> ${100 - step} %` : `${formatFixed(percent, decimals)} %`
  return `< ${step} %`
}

/** A share as a tick of an axis: "40 %", "99.5 %". */
export function formatPercentTick(share: number): string {
  return `${formatNumber(share * 100)} %`
}

/**
 * SQNR in dB; null is an exact match, undefined was not measured.
 * Minus infinity is noise without a signal, NaN comes from values that are not numbers: both are said, never hidden.
 */
export function formatDb(db: number | null | undefined): string {
  if (db === null) return 'exact'
  if (db === undefined) return notMeasured
  if (Number.isNaN(db)) return 'not a number'
  return Number.isFinite(db) ? `${formatFixed(db, 1)} dB` : `${db < 0 ? '−' : ''}∞ dB`
}

/** A cosine with four digits; what is not quite 1 is never shown as 1. */
export function formatCosine(cosine: number): string {
  const text = formatFixed(cosine, 4)
  return text === '1.0000' && cosine < 1 ? '> 0.9999' : text
}

/** A factor: "3.5×", "0.92×", "28×". */
export function formatFactor(factor: number): string {
  return `${formatFixed(factor, factor < 0.995 ? 2 : factor < 9.95 ? 1 : 0)}×`
}

/** A share with its 95 % interval: "58.4 % ± 4.3", or "99.0 % (95.1 … 99.8 %)" when the interval is lopsided. */
export function formatShareInterval(share: number, interval: IntervalRow): string {
  const [low, high] = [interval.low, interval.high]
  const half = (high - low) / 2
  const lopsided = Math.abs((low + high) / 2 - share) > 0.15 * half
  if (lopsided) return `${formatPercent(share)} (${formatFixed(low * 100, 1)} … ${formatFixed(high * 100, 1)} %)`
  return `${formatPercent(share)} ± ${formatFixed(half * 100, 1)}`
}

type Metric = NonNullable<VariantRow['metric']>

/** The value of a metric in its unit, without the interval. */
export function formatMetricValue(metric: Pick<Metric, 'unit'>, value: number): string {
  return metric.unit === undefined ? formatPercent(value) : `${formatNumber(value)} ${metric.unit}`.trim()
}

/** The value of a metric with its 95 % interval. */
export function formatMetric(metric: Metric): string {
  if (metric.unit === undefined) return formatShareInterval(metric.value, metric.interval)
  const { low, high } = metric.interval
  return `${formatMetricValue(metric, metric.value)} (${formatNumber(low)} … ${formatNumber(high)})`
}

/** A signed difference: in points for shares (`unit` undefined), else a number. */
export function formatSigned(difference: number, unit?: string): string {
  const text = unit === undefined ? formatFixed(difference * 100, 1) : formatNumber(difference)
  return difference > 0 ? `+${text}` : text
}

/** The paired difference of a metric with its interval: "−0.4 points (−1.2 … +0.4)". */
export function formatDifference(metric: Metric): string {
  if (metric.difference === undefined) return notMeasured
  const { value, interval } = metric.difference
  const [middle, low, high] = [value, interval.low, interval.high].map((number) => formatSigned(number, metric.unit))
  return `${`${middle} ${metric.unit ?? 'points'}`.trim()} (${low} … ${high})`
}

/** An ISO date as "2026-05-01 12:00 UTC"; anything else stays as it is. */
export function formatDate(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$/.exec(iso)
  return match === null ? iso : `${match[1]} ${match[2]} UTC`
}

/** "1 layer", "12 layers". */
export function formatPlural(count: number, noun: string): string {
  return `${formatInteger(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Text without control characters: names come from files and must not steer a terminal, turn text around or break XML. */
export function plainText(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]|[\p{Cs}\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu, '\ufffd')
}

/** A long name with its middle left out, at most `length` characters; the end says more than the start. */
export function shortenMiddle(name: string, length: number): string {
  if (name.length <= length) return name
  const head = Math.max(1, Math.floor((length - 1) * 0.4))
  return `${name.slice(0, head)}…${name.slice(name.length - Math.max(1, length - 1 - head))}`
}

function decimalsFor(value: number): number {
  return value < 9.995 ? 2 : value < 99.95 ? 1 : 0
}

function threeDigits(value: number): string {
  return formatFixed(value, decimalsFor(value))
}

function shortExponent(size: number): string {
  return size.toExponential(2).replace(/\.?0+e/, 'e')
}

function scaled(value: number, base: number, units: readonly string[], show: (value: number) => string): string {
  let [size, unit] = [value, 0]
  while (unit < units.length - 1 && Number(show(size)) >= base) {
    size /= base
    unit++
  }
  return `${show(size)} ${units[unit] ?? ''}`
}
