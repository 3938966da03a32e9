// Has a model lost more than it may? Told sample by sample, and right at whichever sample one stops.
import type { Interval } from '../math/index.ts'

/**
 * The bets of one side, as shares of the largest that never goes below nothing: each half as large as the one before the last. Large
 * ones, which decide first where the models hardly differ, have most of the stake. The stakes add up to 1.
 */
const bets: readonly { readonly share: number; readonly stake: number }[] = Array.from({ length: 21 }, (_, k) => ({
  share: 2 ** (-k / 2),
  stake: 22 / 21 / ((k + 1) * (k + 2)),
}))

/** What the test makes of the samples so far. */
export type DropVerdict = 'below' | 'above' | 'undecided'

/**
 * An anytime-valid paired test of the drop of a metric: may be asked after every sample, and is wrong in at most 5 % of all runs. Each
 * sample gives a drop, the first model's score minus the second's, of −1 to 1; where both are right or wrong it is 0. Against "the mean
 * drop is at least m" it bets λ on m − drop, 0 < λ ≤ 1/(1 − m): the capital Π(1 + λ·(m − drop)), mixed over several λ, is a
 * supermartingale where that is true and exceeds 40 with a probability of at most 1/40 (Ville); "at most m" is tested likewise. The
 * means that neither side has refuted are a 95 % confidence sequence. Capital depends on how often each drop was seen, not on the order; samples must
 * come in random order (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, arXiv 2010.09686; mixtures as in
 * Orabona and Jun, arXiv 2110.14099).
 */
export class DropTest {
  readonly #limit: number
  readonly #threshold: number
  readonly #counts = new Map<number, number>()
  #samples = 0
  #sum = 0
  #verdict: DropVerdict = 'undecided'

  /**
   * @param limit largest mean drop that is allowed, a share
   * @param confidence of the interval; each of its ends has half of what is missing to 1
   */
  constructor(limit: number, confidence = 0.95) {
    this.#limit = limit
    this.#threshold = Math.log(2 / (1 - confidence))
    if (limit >= 1) this.#verdict = 'below'
    else if (limit <= -1) this.#verdict = 'above'
  }

  /** Adds the drop of one sample, −1 to 1. @returns the verdict; once there is one, it stays */
  add(drop: number): DropVerdict {
    this.#counts.set(drop, (this.#counts.get(drop) ?? 0) + 1)
    this.#samples++
    this.#sum += drop
    if (this.#verdict === 'undecided') this.#verdict = this.#decided(1)
    return this.#verdict
  }

  get verdict(): DropVerdict {
    return this.#verdict
  }

  get samples(): number {
    return this.#samples
  }

  /** Mean drop of the samples so far; NaN without any. */
  get mean(): number {
    return this.#sum / this.#samples
  }

  /** Samples on which only the first, and only the second model was right (or better). */
  get only(): { readonly before: number; readonly after: number } {
    const count = (sign: number) =>
      [...this.#counts].reduce((sum, [drop, times]) => sum + (Math.sign(drop) === sign ? times : 0), 0)
    return { before: count(1), after: count(-1) }
  }

  /** The mean drops that the samples so far leave possible. */
  interval(): Interval {
    return {
      low: -smallest((m) => logCapital(this.#mirrored(), m) >= this.#threshold),
      high: smallest((m) => logCapital(this.#counts, m) >= this.#threshold),
    }
  }

  /**
   * How many more samples like those so far decide it, roughly; infinite where the mean drop is the limit itself, and undefined before
   * the first sample.
   */
  more(): number | undefined {
    if (this.#samples === 0) return undefined
    if (this.#verdict !== 'undecided') return 0
    let factor = 2
    while (this.#decided(factor) === 'undecided') {
      factor *= 2
      if (factor > 2 ** 30) return Number.POSITIVE_INFINITY
    }
    let [low, high] = [factor / 2, factor]
    for (let step = 0; step < 30; step++) {
      const middle = (low + high) / 2
      if (this.#decided(middle) === 'undecided') low = middle
      else high = middle
    }
    return Math.ceil((high - 1) * this.#samples)
  }

  /** The verdict if every drop had been seen `factor` times as often. */
  #decided(factor: number): DropVerdict {
    if (this.mean < this.#limit)
      return logCapital(this.#counts, this.#limit, factor) >= this.#threshold ? 'below' : 'undecided'
    return logCapital(this.#mirrored(), -this.#limit, factor) >= this.#threshold ? 'above' : 'undecided'
  }

  #mirrored(): ReadonlyMap<number, number> {
    return new Map([...this.#counts].map(([drop, count]) => [-drop, count]))
  }
}

/** Logarithm of the capital after betting against "the mean drop is at least m", drops seen as often as counted. */
function logCapital(counts: ReadonlyMap<number, number>, m: number, factor = 1): number {
  const logs = bets.map(({ share, stake }) => {
    let log = Math.log(stake)
    for (const [drop, count] of counts) log += factor * count * Math.log1p((share * (m - drop)) / (1 - m))
    return log
  })
  const most = Math.max(...logs)
  // Every bet may have lost everything.
  if (most === Number.NEGATIVE_INFINITY) return most
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0))
}

/** The smallest m of −1 to 1 that is refuted: capital grows with m. */
function smallest(isRefuted: (m: number) => boolean): number {
  let [low, high] = [-1, 1]
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    if (isRefuted(middle)) high = middle
    else low = middle
  }
  return high
}
