// Collects what the calibration pass sees of one value.
import { InputError } from '../base/index.ts'
import { Histogram } from '../math/index.ts'
import type { Shapes } from '../onnx/index.ts'
import type { NonFinite } from './culprit.ts'
import { TAME } from './inherited.ts'
import { Lattice } from './lattice.ts'
import { marginOf, type TensorStatistics } from './ranges/index.ts'

/** What is asked about a value before the data is read. */
export interface RangeRequest {
  readonly value: string
  /** A distribution too, from a sample of the elements. */
  readonly histogram?: boolean
  /** The producer's lower bound is 0: the minimum needs no looking. */
  readonly nonNegative?: boolean
}

/** Says what was met; the pass finds out who is to blame. */
export class NotFiniteError extends InputError {
  readonly found: NonFinite

  constructor(found: NonFinite) {
    super(`tensor "${found.tensor}" is ${found.kind} for sample ${found.ids.join(', ')}`, { tensor: found.tensor })
    this.found = found
  }
}

/** The statistics of one value, as they come in. */
export class Watcher {
  readonly request: RangeRequest
  readonly dims: readonly number[]
  /** Is its first axis the batch? */
  readonly perSample: boolean
  /** Number of its channels (axis 1), when they are handed over one by one: for maps of a model of fixed size. */
  readonly channels: number | undefined
  #count = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  /** The same for each sample, or each batch when a value has no batch axis. */
  readonly #lows: number[] = []
  readonly #highs: number[] = []
  /** Of a graph input: elements of pictures and other integers come on a grid of their own, with ends that they do not pass. */
  readonly #lattice = new Lattice()
  readonly #histogram = new Histogram()
  readonly #waiting: Float32Array
  #waitingCount = 0

  constructor(request: RangeRequest, shapes: Shapes, fixedSize: boolean) {
    this.request = request
    this.#waiting = new Float32Array(request.histogram ? 4096 : 0)
    const shape = shapes.get(request.value)
    this.dims = shape?.dims ?? []
    this.perSample = shape?.batchAxis === 0
    this.channels = fixedSize && this.perSample && this.dims.length >= 4 ? shape?.dims[1] : undefined
  }

  /** Has it seen values so large, or so strange, that what is computed from them may be NaN? */
  get suspicious(): boolean {
    return this.#count > 0 && !(Math.abs(this.#max) <= TAME && (this.request.nonNegative || this.#min >= -TAME))
  }

  /** @throws NotFiniteError when a mean shows NaN or infinity; `ids` are the samples, one a mean or all behind one. */
  takeMeans(means: Float32Array, ids: readonly string[]): void {
    for (const [i, mean] of means.entries()) {
      if (Number.isFinite(mean)) continue
      const own = this.perSample && ids.length > 1 ? ids.slice(i, i + 1) : ids
      throw new NotFiniteError({ tensor: this.request.value, kind: Number.isNaN(mean) ? 'NaN' : 'infinite', ids: own })
    }
  }

  takeMax(values: Float32Array): void {
    this.#count += values.length
    if (this.channels === undefined) for (const value of values) this.#highs.push(value)
    else this.#highs.push(largest(values))
    this.#max = Math.max(this.#max, largest(values))
  }

  takeMin(values: Float32Array): void {
    if (this.channels === undefined) for (const value of values) this.#lows.push(value)
    else this.#lows.push(smallest(values))
    this.#min = Math.min(this.#min, smallest(values))
  }

  /** All elements of one sample at once. @throws NotFiniteError when one is NaN or infinite */
  takeElements(values: Float32Array, id: string): void {
    let [sum, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    // A plain loop: there are many more of them than of reduced numbers.
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0
      sum += value
      if (value < min) min = value
      if (value > max) max = value
    }
    this.takeMeans(Float32Array.of(sum / values.length), [id])
    this.#lattice.add(values)
    this.#count += values.length
    this.#lows.push(min)
    this.#highs.push(max)
    this.#min = Math.min(this.#min, min)
    this.#max = Math.max(this.#max, max)
  }

  /** Elements for the histogram, every `stride`-th of them. They are counted in blocks: one by one a few cost too much. */
  takeSample(values: Float32Array, stride = 1, phase = 0): void {
    if (stride > 1 || values.length > this.#waiting.length) {
      this.#histogram.add(values, stride, phase)
      return
    }
    if (this.#waitingCount + values.length > this.#waiting.length) this.#flush()
    this.#waiting.set(values, this.#waitingCount)
    this.#waitingCount += values.length
  }

  #flush(): void {
    this.#histogram.add(this.#waiting.subarray(0, this.#waitingCount))
    this.#waitingCount = 0
  }

  statistics(): TensorStatistics {
    this.#flush()
    return {
      count: this.#count,
      nonFinite: 0,
      zeros: this.#histogram.zeros,
      min: this.request.nonNegative ? Math.min(0, this.#max) : this.#min,
      max: this.#max,
      ...(this.#lattice.found ? {} : this.#margins()),
      ...(this.request.histogram ? { histogram: this.#histogram } : {}),
    }
  }

  #margins(): Pick<TensorStatistics, 'margin'> {
    const size = this.dims.slice(this.perSample ? 1 : 0).reduce((a, b) => a * b, 1)
    const [below, above] = [Math.max(0, -this.#min), Math.max(0, this.#max)]
    const low = this.request.nonNegative
      ? 0
      : marginOf(
          this.#lows.map((x) => -x),
          size,
          above,
        )
    const high = marginOf(this.#highs, size, below)
    return low > 0 || high > 0 ? { margin: { low, high } } : {}
  }
}

function largest(values: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > max) max = value
  return max
}

function smallest(values: Float32Array): number {
  let min = Number.POSITIVE_INFINITY
  for (const value of values) if (value < min) min = value
  return min
}
