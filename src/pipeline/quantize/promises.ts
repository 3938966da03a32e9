// What a file must hold to be written: what was asked of it, and that something is gained by it at all.
import { RefusedError } from '../../base/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { formatBytes } from '../../report/index.ts'
import { faster, smaller, worstOutput } from '../verdict.ts'

/** Is anything promised of what the outputs say? */
export const promises = ({ minSqnr, minAgreement, maxDrop }: QuantizeRecipe): boolean =>
  minSqnr !== undefined || minAgreement !== undefined || maxDrop !== undefined

/** What is broken of what was promised of the outputs, in a sentence; undefined where all of it is kept. */
export function brokenPromise(
  { minSqnr, minAgreement, maxDrop }: QuantizeRecipe,
  comparison: Comparison | undefined,
): string | undefined {
  if (!comparison) return undefined
  const worst = worstOutput(comparison)
  if (minSqnr !== undefined && worst && worst.db !== null && !(worst.db >= minSqnr))
    return `output ${worst.name} has ${worst.db.toFixed(2)} dB on the scored samples, less than ${minSqnr}: ask for less, or keep more of the model in float (--exclude)`
  const { agreement, metric } = comparison
  if (minAgreement !== undefined && !((agreement ?? 0) >= minAgreement))
    return agreement === undefined
      ? '--min-agreement is about models that choose, and the first output of this one is no choice: promise --min-sqnr'
      : `${(100 * agreement).toFixed(2)} % of ${comparison.rows ?? comparison.samples} choices are the same, less than ${100 * minAgreement} %: ask for less, or keep more of the model in float (--exclude)`
  if (maxDrop === undefined) return undefined
  if (!metric)
    return '--max-drop is about a metric, and the scored samples have no labels that give one: give --labels, or promise --min-agreement'
  const drop = metric.lowerIsBetter ? metric.difference : -metric.difference
  const most = metric.lowerIsBetter ? metric.interval.high : -metric.interval.low
  if (most <= maxDrop) return undefined
  const shown = `${metric.name} drops by ${drop.toFixed(4)} on ${metric.samples} samples, and at 95 % by up to ${most.toFixed(4)}`
  return drop <= maxDrop
    ? `${shown}: more than ${maxDrop} cannot be ruled out; score more samples (--val), or ask for less`
    : `${shown}, more than ${maxDrop}: ask for less, or keep more of the model in float (--exclude)`
}

/** @throws RefusedError for a file that is larger than was asked for */
export function checkSize({ maxBytes }: QuantizeRecipe, bytes: number): void {
  if (maxBytes !== undefined && bytes > maxBytes)
    throw new RefusedError(
      `the file has ${bytes} bytes, more than ${maxBytes}: allow more, or try --mode weights --weight-bits 4 and --embeddings 4`,
    )
}

/** What each round gains on the judge's samples, in dB, where choices or a metric are promised: how they follow SQNR is not known. */
const GAINS_DB = [1.5, 3, 5, 8, 12]
/** What each round gains beyond what the scored samples lack: they are others than the judge's. */
const BEYOND_DB = [0.3, 1, 2, 4, 8]

/** What each round must gain in SQNR on the judge's samples, in dB, before what is promised is looked at again on those that are scored. */
export function gainsFor(
  { minSqnr, minAgreement, maxDrop }: QuantizeRecipe,
  comparison: Comparison,
): readonly number[] {
  const db = worstOutput(comparison)?.db ?? undefined
  const lacks = minSqnr === undefined || db === undefined ? 0 : Math.max(0, minSqnr - db)
  const chooses = minAgreement !== undefined || maxDrop !== undefined
  return BEYOND_DB.map((beyond, round) =>
    Math.max(lacks > 0 ? lacks + beyond : 0, chooses ? (GAINS_DB[round] ?? 0) : 0),
  ).filter((gain) => gain > 0)
}

/** Below this nobody quantises a file for its size, and a run is too short to be timed. */
const SMALL_FILE = 64 * 1024

/**
 * Says that a file is neither smaller nor faster than the float model, which is the better one then; undefined where something is gained.
 * @param latency as it was measured on the runtime that the file is for; absent: it was not, and nothing is said
 */
export function gainsNothing(
  { mode, force, prefer }: QuantizeRecipe,
  sizeBytes: { readonly before: number; readonly after: number },
  latency: Parameters<typeof faster>[0]['latency'],
): string | undefined {
  if (prefer === 'speed' && latency && latency.after.medianMs > latency.before.medianMs)
    return `integers gain no time here (${faster({ latency }).text}): the result is the float model as it came; --prefer size takes them for their size`
  if (force || !latency || (mode !== 'static' && mode !== 'dynamic') || sizeBytes.before < SMALL_FILE) return undefined
  const [size, time] = [smaller({ sizeBytes }), faster({ latency })]
  if (size.answer === 'yes' || time.answer === 'yes') return undefined
  return `integers gain nothing here (${formatBytes(sizeBytes.before)} → ${formatBytes(sizeBytes.after)}, ${time.text}): the result is the float model as it came; for its size try --mode weights or --mode float16; --force writes the quantised one all the same`
}
