// What was tried as rows of the report: what was tried, what it gave, whether it stayed, and how long it took.
import type { TechniqueRow } from '../../report/index.ts'
import type { Score } from './judge.ts'

export class Rows {
  readonly #rows: TechniqueRow[] = []
  #started = 0

  get all(): readonly TechniqueRow[] {
    return this.#rows
  }

  /** The time of the next row begins. */
  start(): void {
    this.#started = performance.now()
  }

  add(name: string, kept: boolean, { comparison }: Score, reason: string): void {
    const { agreement, kl, metric } = comparison
    const first = Object.values(comparison.sqnrDb)[0]
    this.#rows.push({
      name,
      kept,
      reason,
      ...(first === undefined ? {} : { sqnrDb: first }),
      ...(agreement === undefined ? {} : { agreement }),
      ...(kl === undefined ? {} : { kl }),
      ...(metric
        ? {
            metric: {
              name: metric.name,
              value: metric.after,
              samples: metric.samples,
              ...(metric.unit === undefined ? {} : { unit: metric.unit }),
              interval: metric.intervals.after,
              difference: { value: metric.difference, interval: metric.interval },
            },
          }
        : {}),
      seconds: (performance.now() - this.#started) / 1000,
    })
  }

  /** A technique that could not be tried. */
  leave(name: string, reason: string): void {
    const seconds = (performance.now() - this.#started) / 1000
    this.#rows.push({ name, kept: false, reason: `left out: ${reason}`, seconds })
  }

  revise(name: string, reason: string): void {
    const index = this.#rows.findIndex((row) => row.name === name)
    const row = this.#rows[index]
    if (row) this.#rows[index] = { ...row, kept: true, reason }
  }
}

/** The difference of two scores, in words. */
export function gain(now: Pick<Score, 'db'>, before: Pick<Score, 'db'>): string {
  const db = now.db - before.db
  if (!Number.isFinite(db)) return 'not measurable'
  return `${db < 0 ? '−' : '+'}${Math.abs(db).toFixed(1)} dB`
}
