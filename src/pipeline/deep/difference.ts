// How far two runs of the same piece are apart: in steps of its grid, or in dB where it gives floats.
import type { TensorValue } from '../../base/index.ts'
import { SqnrAccumulator } from '../../math/index.ts'

/** Adds up over samples what a piece gave in one runtime against what its simulation gives. */
export class PieceDifference {
  /** Largest difference of two codes; stays 0 where values are floats. */
  steps = 0
  #off = 0
  #values = 0
  readonly #sqnr = new SqnrAccumulator()
  #floats = false
  #farthest = 0

  add(reference: TensorValue, got: TensorValue): void {
    const [a, b] = [reference.data, got.data]
    this.#values += a.length
    if (a instanceof Float32Array && b instanceof Float32Array) {
      this.#floats = true
      this.#sqnr.addKnown(a, b)
      for (let i = 0; i < a.length; i++) {
        if (Number.isNaN(a[i])) continue
        const distance = Math.abs((a[i] ?? 0) - (b[i] ?? 0))
        this.#farthest = Math.max(this.#farthest, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance)
      }
      return
    }
    for (let i = 0; i < a.length; i++) {
      const steps = Math.abs(Number(a[i]) - Number(b[i] ?? 0))
      if (steps > 0) this.#off++
      if (steps > this.steps) this.steps = steps
    }
  }

  /** Share of codes that are not the same. */
  get share(): number {
    return this.#values === 0 ? 0 : this.#off / this.#values
  }

  /** Of floats, in dB; null for an exact match, undefined where values are codes. */
  get sqnrDb(): number | null | undefined {
    return this.#floats ? this.#sqnr.db : undefined
  }

  /**
   * More than a rounding tie? A value on the border of two codes may fall to either side, one step apart; sums of floats in another order
   * are 100 dB apart and more, and 60 dB where one of them meets a grid that is made at run time. A Sigmoid's output near 0 is only right to
   * a few float32 steps of 1, so that floats less than 5e-7 apart are the same.
   */
  get differs(): boolean {
    const db = this.sqnrDb
    const apart = db !== undefined && db !== null && !(db >= 60) && !(this.#farthest < 5e-7)
    return this.steps > 1 || apart
  }
}
