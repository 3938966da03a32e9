// Who sees which samples: what is fitted to, and what only tells how it went. One rule for all commands (docs/samples.md).
import { chooseSamples } from './choose.ts'

/** Without samples of their own to score on, one in so many is kept from every fit, */
const REPORTED_EVERY = 4
/** but no more than tell a figure well enough. */
const MOST_REPORTED = 1000

export interface SampleShares {
  /**
   * Evenly spaced; what is fitted is fitted to these: ranges, corrections, refits, training. Who chooses between techniques or
   * epochs takes what judges from here too (`CalibrationSamples.split`, the held-back samples of a training).
   */
  readonly fit: readonly number[]
  /** No fit and no choice has seen them; figures and verdicts come from these. Empty where other samples are scored. */
  readonly report: readonly number[]
}

export interface ShareOptions {
  /** Other samples are scored (`--val`): all of these may be fitted to. */
  readonly separate?: boolean
  /** Kept from every fit already, by the command that this one goes on from. */
  readonly heldBack?: readonly number[] | undefined
}

/**
 * Shares out `total` samples, of which `wanted` are to be fitted to. At least a quarter (1,000 of many, one of two or three) is
 * kept to report on, so that `fit` may be fewer than were wanted. A single sample is both: it promises nothing for others.
 */
export function shareSamples(total: number, wanted: number, options: ShareOptions = {}): SampleShares {
  const { separate = false, heldBack = [] } = options
  if (total <= 1) return { fit: chooseSamples(total, wanted), report: separate ? [] : chooseSamples(total, wanted) }
  const kept = new Set(heldBack)
  const open = Array.from({ length: total }, (_, index) => index).filter((index) => !kept.has(index))
  const least = separate || kept.size > 0 ? 0 : Math.min(MOST_REPORTED, Math.max(1, Math.floor(total / REPORTED_EVERY)))
  const fit = chooseSamples(open.length, Math.min(wanted, open.length - least)).map((place) => open[place] ?? 0)
  if (separate) return { fit, report: [] }
  const fitted = new Set(fit)
  return { fit, report: kept.size > 0 ? [...heldBack] : open.filter((index) => !fitted.has(index)) }
}
