// The verdict: smaller? faster? as accurate? And what to do, when the answer is no.
import type { Interval } from '../math/index.ts'
import type { Comparison } from '../metrics/index.ts'
import { formatDb, formatMetricValue, formatSigned, type Verdict, type VerdictPoint } from '../report/index.ts'
import type { Latency } from '../runtime/index.ts'

/** What was measured of a quantised model against the one it was made from. */
export interface Measured {
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly comparison?: Comparison
  readonly latency?: { readonly before: Latency; readonly after: Latency }
  /** Absent where ONNX Runtime's optimised graph could not be read. */
  readonly layerCounts?: { readonly total: number; readonly integer: number }
  /** Ranges came from random inputs. */
  readonly random: boolean
  /** One scale serves a whole weight. */
  readonly perTensor?: boolean
  /** Layers whose outputs hold most noise, worst first. */
  readonly hurt?: readonly string[]
}

/** Below these a model does not do its job any more. */
const DEAD_AGREEMENT = 0.5
const DEAD_SQNR_DB = 5

/** Lowest SQNR of the first output; null for an exact match. */
export function mainSqnr(comparison: Comparison | undefined): number | null | undefined {
  return comparison ? Object.values(comparison.sqnrDb)[0] : undefined
}

/** Has the model died? By agreement, for classifiers, or by SQNR. */
export function isDead(comparison: Comparison): boolean {
  const sqnr = mainSqnr(comparison)
  return (comparison.agreement ?? 1) < DEAD_AGREEMENT || (typeof sqnr === 'number' && !(sqnr >= DEAD_SQNR_DB))
}

/** An SQNR for JSON, which has no infinities: null is an exact match and nothing else. */
export function jsonDb(db: number | null): number | string | null {
  return db === null || Number.isFinite(db) ? db : String(db)
}

/** The column groups of a comparison for JSON; nothing when no output has some. */
export function columnsJson({ columns }: Pick<Comparison, 'columns'>): { columns?: Record<string, unknown[]> } {
  if (!columns) return {}
  const each = Object.entries(columns).map(([name, groups]) => [
    name,
    groups.map((group) => ({ ...group, sqnrDb: jsonDb(group.sqnrDb) })),
  ])
  return { columns: Object.fromEntries(each) }
}

/** SQNR of each output for the report, that of its column groups below it: "boxes", "boxes, columns 0–3". */
export function outputRows({ sqnrDb, columns }: Pick<Comparison, 'sqnrDb' | 'columns'>): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(sqnrDb).flatMap(([name, db]) => [
      [name, db],
      ...(columns?.[name] ?? []).map(({ from, to, sqnrDb }) => [`${name}, columns ${from}–${to - 1}`, sqnrDb]),
    ]),
  )
}

/** A metric for JSON: an interval without ends, of a single sample, was not measured and is left out. */
export function metricJson<T extends { readonly interval: Interval }>(
  metric: T,
): Omit<T, 'interval'> & { interval?: Interval } {
  const { interval, ...rest } = metric
  return { ...rest, ...(Number.isFinite(interval.low) && Number.isFinite(interval.high) ? { interval } : {}) }
}

export function makeVerdict(measured: Measured): Verdict {
  const points = [smaller(measured), faster(measured), accurate(measured)]
  const dead = measured.comparison !== undefined && isDead(measured.comparison)
  const answers = points.map((point) => `${point.question}: ${point.answer}`).join(', ')
  const { layerCounts } = measured
  const inIntegers = layerCounts ? `; ${layerCounts.integer} of ${layerCounts.total} layers run in integers` : ''
  if (measured.random) return randomVerdict(measured)
  const headline = dead
    ? `the quantised model no longer does its job (${deadWhy(measured.comparison)})`
    : `${answers}${inIntegers}`
  const bad = points.filter((point) => point.answer === 'no').length
  const open = points.some((point) => point.answer === 'unclear' && point.question === 'as accurate')
  const tone = dead ? 'dead' : bad > 1 ? 'bad' : bad === 1 || open ? 'mixed' : 'good'
  return { headline, tone, points, advice: advise(measured, dead) }
}

/** Random inputs show that a model goes through, and nothing else. */
function randomVerdict(measured: Measured): Verdict {
  const { layerCounts } = measured
  const integer = layerCounts ? ` (${layerCounts.integer} of ${layerCounts.total} layers integer)` : ''
  const headline = `ranges from random inputs mean nothing: this only shows that the model goes through${integer}`
  const accurate: VerdictPoint = { question: 'as accurate', answer: 'not measured', text: 'random inputs cannot tell' }
  const advice = ['quantise again with --data and samples of the kind that the model will see']
  return { headline, tone: 'mixed', points: [smaller(measured), faster(measured), accurate], advice }
}

function deadWhy(comparison: Comparison | undefined): string {
  const sqnr = mainSqnr(comparison)
  const share =
    comparison?.agreement === undefined ? '' : `it agrees with the float model on ${percent(comparison.agreement)}`
  const noise = typeof sqnr === 'number' ? `SQNR ${formatDb(sqnr)}` : ''
  return [share, noise].filter((part) => part !== '').join(', ')
}

function smaller({ sizeBytes: { before, after } }: Measured): VerdictPoint {
  const text = `${kilobytes(before)} → ${kilobytes(after)} (${percent(after / before)})`
  return { question: 'smaller', answer: after < before ? 'yes' : 'no', text }
}

function faster({ latency }: Measured): VerdictPoint {
  if (!latency) return { question: 'faster', answer: 'not measured', text: 'not measured' }
  const { before, after } = latency
  const ratio = before.medianMs / after.medianMs
  const text = `${before.medianMs.toFixed(2)} ms → ${after.medianMs.toFixed(2)} ms (${ratio.toFixed(2)}×)`
  // Below a tenth, differences between two runs mean nothing.
  return { question: 'faster', answer: ratio > 1.1 ? 'yes' : ratio < 0.9 ? 'no' : 'unclear', text }
}

function accurate({ comparison }: Measured): VerdictPoint {
  if (!comparison) return { question: 'as accurate', answer: 'not measured', text: 'not measured' }
  const sqnr = mainSqnr(comparison)
  const noise = sqnr === null ? 'outputs exact' : sqnr === undefined ? '' : `SQNR ${formatDb(sqnr)}`
  const { metric, agreement } = comparison
  if (metric) {
    const { before, after, difference, interval, unit } = metric
    // A loss of two points of a share, or of two hundredths of another figure, is within what "as accurate" means.
    const small = 0.02 * (unit === undefined ? 1 : Math.abs(before))
    const answer = interval.high < 0 ? 'no' : interval.low >= -small ? 'yes' : 'unclear'
    const [from, to] = [before, after].map((value) => formatMetricValue(metric, value))
    const [middle, low, high] = [difference, interval.low, interval.high].map((value) => formatSigned(value, unit))
    const text = `${metric.name} ${from} → ${to} (${middle}, 95 % ${low} to ${high}), ${noise}`
    return { question: 'as accurate', answer, text }
  }
  const good = (agreement === undefined || agreement >= 0.97) && (sqnr === null || (sqnr ?? 0) >= 20)
  const text = [agreement === undefined ? '' : `agreement ${percent(agreement)}`, noise]
    .filter((part) => part !== '')
    .join(', ')
  return { question: 'as accurate', answer: isDead(comparison) ? 'no' : good ? 'yes' : 'unclear', text }
}

function advise(measured: Measured, dead: boolean): string[] {
  const advice: string[] = []
  if (dead)
    advice.push(
      'use --weights per-channel, look at the worst layers in the report, and keep them float with --exclude NAME',
    )
  else if (accurate(measured).answer === 'no') advice.push(moreAccurate(measured))
  if (measured.latency && measured.latency.after.medianMs > measured.latency.before.medianMs)
    advice.push('int8 is not faster on this machine; take it for its size, or measure on the machine that will run it')
  const { integer, total } = measured.layerCounts ?? { integer: 0, total: 0 }
  if (integer < total) advice.push(`${total - integer} of ${total} layers run in float; the report says why`)
  return advice
}

/** What is most likely to bring accuracy back. */
function moreAccurate({ perTensor, hurt = [] }: Measured): string {
  if (perTensor) return 'use --weights per-channel: one scale for a whole weight is what costs most accuracy'
  const float =
    hurt.length > 0
      ? `, or keep the layers that hurt most in float: --exclude ${hurt.slice(0, 2).join(' --exclude ')}`
      : ''
  return `try --effort high, which rounds by second order${float}`
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
const kilobytes = (bytes: number) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`)
