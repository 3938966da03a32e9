// The drop of a metric, sample by sample, while two models are compared.
import { type ComparedBatch, DropTest, type Metric } from '../../metrics/index.ts'

/** Tests the drop of a metric that gives each sample a share of its own, such as right or wrong. */
export class SampledDrop {
  readonly #test: DropTest
  #fits = true

  /** @param limit most that the metric may lose */
  constructor(limit: number) {
    this.#test = new DropTest(limit)
  }

  add({ scored }: Pick<ComparedBatch, 'scored'>): void {
    if (!scored || !this.#fits) return
    this.#fits = isMeanOfShares(scored.metric)
    for (const [index, before] of scored.before.entries()) {
      const [a, b] = [shareOf(before), shareOf(scored.after[index])]
      if (before === undefined || scored.after[index] === undefined) continue
      if (a === undefined || b === undefined) this.#fits = false
      else this.#test.add(scored.metric.lowerIsBetter ? b - a : a - b)
    }
  }

  /** The test; undefined where the metric is of another kind, or nothing was scored. */
  get test(): DropTest | undefined {
    return this.#fits && this.#test.samples > 0 ? this.#test : undefined
  }
}

function isMeanOfShares({ unit, total, between }: Metric): boolean {
  return unit === undefined && !total && !between
}

/** The score of a sample that is a share; undefined for positions of a sequence, which are not independent, and other numbers. */
function shareOf(score: unknown): number | undefined {
  const [value, ...others] = [score].flat()
  return typeof value === 'number' && others.length === 0 && value >= 0 && value <= 1 ? value : undefined
}
