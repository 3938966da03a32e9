// Collects what the calibration pass sees of one value.
import { InputError, sizeOf } from '../base/index.ts'
import type { Shapes } from '../onnx/index.ts'
import type { NonFinite } from './culprit.ts'
import { TAME } from './inherited.ts'
import { TensorTally } from './tensor-tally.ts'

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

/** Hands what the pass sees of one value to its tally. */
export class Watcher {
  readonly request: RangeRequest
  readonly dims: readonly number[]
  /** Is its first axis the batch? */
  readonly perSample: boolean
  /** Number of its channels (axis 1), when they are handed over one by one: for maps of a model of fixed size. */
  readonly channels: number | undefined
  readonly #tally: TensorTally
  readonly #waiting: Float32Array
  #waitingCount = 0

  constructor(request: RangeRequest, shapes: Shapes, fixedSize: boolean) {
    this.request = request
    this.#waiting = new Float32Array(request.histogram ? 4096 : 0)
    const shape = shapes.get(request.value)
    this.dims = shape?.dims ?? []
    this.perSample = shape?.batchAxis === 0
    this.channels = fixedSize && this.perSample && this.dims.length >= 4 ? shape?.dims[1] : undefined
    this.#tally = new TensorTally({
      size: sizeOf(this.dims.slice(this.perSample ? 1 : 0)),
      nonNegative: request.nonNegative === true,
      histogram: request.histogram === true,
    })
  }

  /** Has it seen values so large, or so strange, that what is computed from them may be NaN? */
  get suspicious(): boolean {
    return !this.#tally.within(TAME)
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
    if (this.channels === undefined) for (const high of values) this.#tally.take({ high, count: 1 })
    else this.#tally.take({ high: largest(values), count: values.length })
  }

  takeMin(values: Float32Array): void {
    if (this.channels === undefined) for (const low of values) this.#tally.take({ low })
    else this.#tally.take({ low: smallest(values) })
  }

  /** All elements of one sample at once. @throws NotFiniteError when one is NaN or infinite */
  takeElements(values: Float32Array, id: string): void {
    // The past of a decoder at the beginning of a text.
    if (values.length === 0) return
    let [sum, low, high] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    // A plain loop: there are many more of them than of reduced numbers.
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0
      sum += value
      if (value < low) low = value
      if (value > high) high = value
    }
    this.takeMeans(Float32Array.of(sum / values.length), [id])
    this.#tally.lattice.add(values)
    this.#tally.take({ low, high, count: values.length })
  }

  /** Elements for the histogram, every `stride`-th of them. They are counted in blocks: one by one a few cost too much. */
  takeSample(values: Float32Array, stride = 1, phase = 0): void {
    if (stride > 1 || values.length > this.#waiting.length) {
      this.#tally.takeSample(values, stride, phase)
      return
    }
    if (this.#waitingCount + values.length > this.#waiting.length) this.#flush()
    this.#waiting.set(values, this.#waitingCount)
    this.#waitingCount += values.length
  }

  /** What was seen so far. */
  tally(): TensorTally {
    this.#flush()
    return this.#tally
  }

  #flush(): void {
    this.#tally.takeSample(this.#waiting.subarray(0, this.#waitingCount))
    this.#waitingCount = 0
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
