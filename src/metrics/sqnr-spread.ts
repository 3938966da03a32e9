// How much the SQNR of an output scatters from sample to sample: its 95 % interval.
import { type Batch, countedOf } from '../data/index.ts'
import { type Interval, SqnrAccumulator } from '../math/index.ts'
import type { Values } from '../runtime/index.ts'

/** Signal and noise of a sample, or of a batch whose values cannot be told apart. */
interface Energy {
  readonly signal: number
  readonly noise: number
}

/** Quantile of the normal distribution with 2.5 % above it. */
const z = 1.959963984540054
/** Samples from which on they tell how much others scatter. */
const LEAST = 8

/** Collects signal and noise sample by sample. */
export class SqnrSpread {
  readonly #outputs = new Map<string, Energy[]>()

  /** Adds the outputs of both models on one batch, float32. */
  add(before: Values, after: Values, batch: Batch): void {
    const [own, others] = [countedOf(before, batch), countedOf(after, batch)]
    for (const [name, { data, dims }] of Object.entries(own)) {
      const other = others[name]?.data
      if (!(data instanceof Float32Array) || !(other instanceof Float32Array)) continue
      const pieces = dims[0] === batch.size && !batch.fixed ? batch.size : 1
      const length = data.length / pieces
      const energies = this.#outputs.get(name) ?? []
      this.#outputs.set(name, energies)
      for (let at = 0; at < data.length; at += length) {
        const sum = new SqnrAccumulator()
        sum.addKnown(data.subarray(at, at + length), other.subarray(at, at + length))
        energies.push({ signal: sum.signal, noise: sum.noise })
      }
    }
  }

  /**
   * Interval of the SQNR of an output in dB: the ratio Σ noise / Σ signal is taken for normal on a logarithmic scale, its variance from what
   * each sample adds to it. Undefined for fewer than eight samples and where there is no ratio.
   */
  interval(output: string): Interval | undefined {
    const energies = this.#outputs.get(output) ?? []
    const count = energies.length
    const signal = energies.reduce((sum, each) => sum + each.signal, 0)
    const noise = energies.reduce((sum, each) => sum + each.noise, 0)
    if (count < LEAST || !(noise > 0 && signal > 0)) return undefined
    const squares = energies.reduce((sum, each) => sum + (each.noise / noise - each.signal / signal) ** 2, 0)
    const half = (10 / Math.LN10) * z * Math.sqrt((squares * count) / (count - 1))
    const db = 10 * Math.log10(signal / noise)
    return Number.isFinite(half) ? { low: db - half, high: db + half } : undefined
  }
}
