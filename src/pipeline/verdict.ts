// The verdict: smaller? faster? as accurate? And what to do, when the answer is no.
import type { Interval } from '../math/index.ts'
import type { Comparison } from '../metrics/index.ts'
import {
  formatBytes,
  formatDb,
  formatMetricValue,
  formatPercent,
  formatSigned,
  type Verdict,
  type VerdictPoint,
} from '../report/index.ts'
import type { Latency } from '../runtime/index.ts'
import { advise } from './advice.ts'
import { isAlike, similarityWords } from './similarity.ts'
import { DEAD_SQNR_DB, GOOD_SQNR_DB } from './sqnr-limits.ts'

/** What was measured of a quantised model against the one it was made from. */
export interface Measured {
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly comparison?: Comparison
  readonly latency?: { readonly before: Latency; readonly after: Latency }
  /** The runtime that was timed, where it is not the one that the target names: its times decide nothing. */
  readonly elsewhere?: { readonly runtime: string; readonly target: string }
  /** Absent where ONNX Runtime's optimised graph could not be read. */
  readonly layerCounts?: { readonly total: number; readonly integer: number }
  /** Ranges came from random inputs. */
  readonly random: boolean
  /** One scale serves a whole weight. */
  readonly perTensor?: boolean
  /** Layers whose outputs hold most noise, worst first. */
  readonly hurt?: readonly string[]
  /** Is what was written the model as it came, rewritten at most? */
  readonly untouched?: boolean
  /** And was that the choice, because integers make nothing faster? */
  readonly slower?: boolean
  /** One sample was looked at where nothing was measured: enough to know a dead model. */
  readonly glance?: Comparison
  readonly effort?: 'fast' | 'default' | 'high'
  /** Activations stay float: the bits of the weights, and how many share a scale where that is not a channel. */
  readonly weightsOnly?: { readonly bits: number; readonly block?: number }
}

/** Below this a model does not do its job any more. */
const DEAD_AGREEMENT = 0.5

/** A file this much of the original is the same size: names and padding alone move it by a share of that. */
const SAME_SIZE = 0.99

/** The output, or group of its columns, that lost most, with its SQNR in dB (null: exact); undefined where none was compared. */
export function worstOutput(comparison: Comparison): { readonly name: string; readonly db: number | null } | undefined {
  const rank = (db: number | null) => (db === null ? Number.POSITIVE_INFINITY : Number.isNaN(db) ? -Infinity : db)
  return Object.entries(outputRows(comparison))
    .map(([name, db]) => ({ name, db }))
    .reduce<{ name: string; db: number | null } | undefined>(
      (worst, each) => (worst === undefined || rank(each.db) < rank(worst.db) ? each : worst),
      undefined,
    )
}

/** Lowest SQNR of all outputs and their column groups in dB; null for an exact match. */
export function mainSqnr(comparison: Comparison | undefined): number | null | undefined {
  return comparison && worstOutput(comparison)?.db
}

/** Has the model died? By agreement, for classifiers, or by the SQNR of an output. */
export function isDead(comparison: Comparison): boolean {
  return (comparison.agreement ?? 1) < DEAD_AGREEMENT || hasDeadOutput(comparison)
}

function hasDeadOutput(comparison: Comparison): boolean {
  const sqnr = mainSqnr(comparison)
  return typeof sqnr === 'number' && !(sqnr >= DEAD_SQNR_DB)
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

/** Smaller, faster, as accurate: what was measured of a result beside its original, as answers, a headline and advice. */
export function makeVerdict(measured: Measured): Verdict {
  const points = [smaller(measured), faster(measured), accurate(measured)]
  const { comparison, glance, layerCounts } = measured
  // Of one sample the arg-max says little; noise as large as the signal says enough.
  const dead = comparison ? isDead(comparison) : glance !== undefined && hasDeadOutput(glance)
  const answers = points.map((point) => `${point.question}: ${point.answer}`).join(', ')
  const inIntegers = layerCounts ? `; ${layerCounts.integer} of ${layerCounts.total} layers run in integers` : ''
  if (measured.untouched) return untouchedVerdict(measured, points)
  if (measured.random) return randomVerdict(measured)
  const headline = dead
    ? `the quantised model no longer does its job (${deadWhy(comparison ?? glance)}${comparison ? '' : ' on one sample'})`
    : `${answers}${inIntegers}`
  const bad = points.filter((point) => point.answer === 'no').length
  const open = points.some((point) => point.answer === 'unclear' && point.question === 'as accurate')
  const tone = dead ? 'dead' : bad > 1 ? 'bad' : bad === 1 || open ? 'mixed' : 'good'
  const [size, time, same] = points.map(({ answer }) => answer)
  return { headline, tone, points, advice: advise({ ...measured, dead, smaller: size, faster: time, accurate: same }) }
}

/** Nothing was quantised: the clock then compares a model with itself. */
function untouchedVerdict({ layerCounts, slower }: Measured, points: readonly VerdictPoint[]): Verdict {
  const layers = layerCounts && layerCounts.total > 0 ? `none of ${layerCounts.total} layers` : 'no layer'
  return {
    headline: slower
      ? 'nothing was quantised: no part in integers makes the model faster here, and the file is the float model'
      : `nothing was quantised: ${layers} can run in integers, and the file is the float model`,
    tone: 'mixed',
    points: points.map((point) =>
      point.question === 'faster' && point.answer !== 'not measured' ? { ...point, answer: 'unclear' } : point,
    ),
    advice: [
      slower
        ? 'keep the float model, or take integers for their size with --prefer size'
        : 'keep the float model; the report says why each layer stays as it is',
    ],
  }
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
  const share =
    comparison?.agreement === undefined ? '' : `it agrees with the float model on ${percent(comparison.agreement)}`
  return [share, comparison ? noiseOf(comparison) : ''].filter((part) => part !== '').join(', ')
}

/** "SQNR 21.4 dB", with the name of the output where there are several; '' where none was compared. */
function noiseOf(comparison: Comparison): string {
  const worst = worstOutput(comparison)
  if (worst === undefined) return ''
  const several = Object.keys(outputRows(comparison)).length > 1
  if (worst.db === null) return several ? 'all outputs exact' : 'outputs exact'
  return `SQNR ${formatDb(worst.db)}${several ? ` at "${worst.name}", the worst output` : ''}`
}

/** Smaller? Within a hundredth the file is as large as it was, which is not smaller. */
export function smaller({ sizeBytes: { before, after } }: Pick<Measured, 'sizeBytes'>): VerdictPoint {
  const same = after >= SAME_SIZE * before && after <= before / SAME_SIZE
  const text = `${formatBytes(before)} → ${formatBytes(after)} (${same ? 'the same size' : formatPercent(after / before)})`
  return { question: 'smaller', answer: after < SAME_SIZE * before ? 'yes' : 'no', text }
}

/** Faster? Differences below a tenth are none. */
export function faster({
  latency,
  elsewhere,
}: {
  readonly latency?: { readonly before: Pick<Latency, 'medianMs'>; readonly after: Pick<Latency, 'medianMs'> }
} & Pick<Measured, 'elsewhere'>): VerdictPoint {
  if (!latency) return { question: 'faster', answer: 'not measured', text: 'not measured' }
  const { before, after } = latency
  const ratio = before.medianMs / after.medianMs
  const text = `${before.medianMs.toFixed(2)} ms → ${after.medianMs.toFixed(2)} ms (${ratio.toFixed(2)}×)`
  if (elsewhere)
    return {
      question: 'faster',
      answer: 'not measured',
      text: `${text} on ${elsewhere.runtime}, which is not ${elsewhere.target}`,
    }
  // Below a tenth, differences between two runs mean nothing.
  return { question: 'faster', answer: ratio > 1.1 ? 'yes' : ratio < 0.9 ? 'no' : 'unclear', text }
}

/** As accurate? By the metric where there are labels, by the cosine of embeddings, else by agreement and SQNR. */
export function accurate({ comparison }: Pick<Measured, 'comparison'>): VerdictPoint {
  if (!comparison) return { question: 'as accurate', answer: 'not measured', text: 'not measured' }
  const sqnr = mainSqnr(comparison)
  const noise = noiseOf(comparison)
  const { metric, agreement, similarity } = comparison
  if (metric) {
    const { before, after, difference, interval, unit } = metric
    // A loss of two points of a share, or of two hundredths of another figure, is within what "as accurate" means.
    const small = 0.02 * (unit === undefined ? 1 : Math.abs(before))
    const [least, most] = metric.lowerIsBetter ? [-interval.high, -interval.low] : [interval.low, interval.high]
    // A distance is never below 0: that it is not 0 says nothing yet.
    const lost = metric.isDistance ? most < -small : most < 0
    const kept = lost ? 'no' : least >= -small ? 'yes' : 'unclear'
    // Labels judge one output; a dead one beside it is not as accurate, whatever they say.
    const answer = hasDeadOutput(comparison) ? 'no' : kept
    const [from, to] = [before, after].map((value) => formatMetricValue(metric, value))
    const [middle, low, high] = [difference, interval.low, interval.high].map((value) => formatSigned(value, unit))
    const text = `${metric.name} ${from} → ${to} (${middle}, 95 % ${low} to ${high}), ${noise}`
    return { question: 'as accurate', answer, text }
  }
  if (similarity) {
    const text = [similarityWords(similarity), noise].filter((part) => part !== '').join(', ')
    return { question: 'as accurate', answer: isDead(comparison) ? 'no' : isAlike(similarity), text }
  }
  const good = (agreement === undefined || agreement >= 0.97) && (sqnr === null || (sqnr ?? 0) >= GOOD_SQNR_DB)
  const text = [agreement === undefined ? '' : `agreement ${percent(agreement)}`, noise]
    .filter((part) => part !== '')
    .join(', ')
  return { question: 'as accurate', answer: isDead(comparison) ? 'no' : good ? 'yes' : 'unclear', text }
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
