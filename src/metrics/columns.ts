// SQNR by column group: boxes in pixels beside scores from 0 to 1 are two outputs in one tensor, and one ratio hides the smaller.
// Columns are the places along one axis. Where units change is seen in the float values.

/** Neighbouring columns of an output that have one unit. */
export interface ColumnGroup {
  /** The axis along which the columns stand. */
  readonly axis: number
  /** First column. */
  readonly from: number
  /** The column after the last. */
  readonly to: number
  /** In dB; null for an exact match. */
  readonly sqnrDb: number | null
}

/** Columns along an axis at most: beyond that they are positions. */
const MOST_COLUMNS = 512
/** Groups at most: a pattern that changes more often is not a layout of units. */
const MOST_GROUPS = 4
/** Values that every column must have, or chance decides what it looks like. */
const LEAST_ROWS = 16
/** A step this large between all columns on one side and all on the other is a change of unit. */
const STEP = 8

/** Values of the original and of the other model, place by place. */
interface Compared {
  readonly reference: Float32Array
  readonly got: Float32Array
}

/** Adds up signal and noise of each column along one axis. */
class AxisSums {
  readonly axis: number
  readonly rank: number
  readonly #signal: Float64Array
  readonly #noise: Float64Array
  readonly #min: Float64Array
  readonly #max: Float64Array
  #rows = 0

  constructor(axis: number, dims: readonly number[]) {
    const columns = dims[axis] ?? 0
    this.axis = axis
    this.rank = dims.length
    this.#signal = new Float64Array(columns)
    this.#noise = new Float64Array(columns)
    this.#min = new Float64Array(columns).fill(Number.POSITIVE_INFINITY)
    this.#max = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY)
  }

  get columns(): number {
    return this.#signal.length
  }

  add(reference: Float32Array, got: Float32Array, dims: readonly number[]): void {
    const { columns } = this
    const inner = dims.slice(this.axis + 1).reduce((a, b) => a * b, 1)
    const blocks = inner === 0 || columns === 0 ? 0 : reference.length / (inner * columns)
    this.#rows += blocks * inner
    const both = { reference, got }
    for (let block = 0, at = 0; block < blocks; block++)
      for (let column = 0; column < columns; column++, at += inner) this.#addRun(both, column, at, at + inner)
  }

  #addRun({ reference, got }: Compared, column: number, from: number, to: number): void {
    let signal = 0
    let noise = 0
    let min = this.#min[column]!
    let max = this.#max[column]!
    for (let i = from; i < to; i++) {
      const value = reference[i]!
      // What the original does not know is nobody's noise.
      if (value - value !== 0) continue
      const error = value - (got[i] ?? 0)
      signal += value * value
      noise += error * error
      if (value < min) min = value
      if (value > max) max = value
    }
    this.#signal[column]! += signal
    this.#noise[column]! += noise
    this.#min[column] = min
    this.#max[column] = max
  }

  /** Groups of columns with one unit each; undefined when all columns seem to have the same. */
  groups(): ColumnGroup[] | undefined {
    if (this.#rows < LEAST_ROWS || this.#isFeatureMap()) return undefined
    const starts = this.#unitStarts() ?? this.#stepStarts()
    if (!starts) return undefined
    return starts.map((from, index) => {
      const to = starts[index + 1] ?? this.columns
      const noise = sumOf(this.#noise, from, to)
      const sqnrDb = noise === 0 ? null : 10 * Math.log10(sumOf(this.#signal, from, to) / noise)
      return { axis: this.axis, from, to, sqnrDb }
    })
  }

  /** All channels of a map begin at 0: they come out of a Relu, and one that happens to stay below 1 is not a score. */
  #isFeatureMap(): boolean {
    return this.rank >= 4 && this.#min.every((min) => min === 0)
  }

  /** Where columns that stay within 0 and 1 meet others: scores and what is not a score. */
  #unitStarts(): number[] | undefined {
    const starts: number[] = []
    let last: boolean | undefined
    for (let column = 0; column < this.columns; column++) {
      // A column without anything in it says nothing.
      if (this.#signal[column] === 0) continue
      const unit = (this.#min[column] ?? 0) >= 0 && (this.#max[column] ?? 0) <= 1
      if (unit !== last) starts.push(last === undefined ? 0 : column)
      last = unit
    }
    return starts.length > 1 && starts.length <= MOST_GROUPS ? starts : undefined
  }

  /** Where all columns before are several times as large as all columns behind, or the other way round. */
  #stepStarts(): number[] | undefined {
    const sizes = Array.from(this.#signal, (signal) => Math.sqrt(signal / this.#rows))
    const scores = this.#min.every((min) => min >= 0) && this.#max.every((max) => max <= 1)
    if (scores) return undefined
    let best = { step: STEP, at: 0 }
    for (let at = 1; at < this.columns; at++) {
      const [before, behind] = [sizes.slice(0, at), sizes.slice(at)].map((part) => part.filter((size) => size > 0))
      if (!before?.length || !behind?.length) continue
      const step = Math.max(Math.min(...before) / Math.max(...behind), Math.min(...behind) / Math.max(...before))
      if (step > best.step) best = { step, at }
    }
    return best.at > 0 ? [0, best.at] : undefined
  }
}

/** The columns of one output, along whichever axis has units. */
export class Columns {
  #axes: AxisSums[] | undefined

  /** Adds the values of a batch; outputs whose columns change in number have none. */
  add(reference: Float32Array, got: Float32Array, dims: readonly number[]): void {
    this.#axes ??= axesOf(dims).map((axis) => new AxisSums(axis, dims))
    this.#axes = this.#axes.filter(({ axis, columns }) => dims[axis] === columns)
    for (const axis of this.#axes) axis.add(reference, got, dims)
  }

  /** Groups along the first axis that has some, the one with fewer columns first. */
  groups(): ColumnGroup[] | undefined {
    for (const axis of this.#axes ?? []) {
      const groups = axis.groups()
      if (groups) return groups
    }
    return undefined
  }
}

/** Axes along which an output may have columns: channels in front or last, not the width of a map. */
function axesOf(dims: readonly number[]): number[] {
  const last = dims.length - 1
  const isWidth = dims.length > 3 && !dims.slice(1, last).every((size) => size > (dims[last] ?? 0))
  return [...new Set([1, ...(isWidth ? [] : [last])])]
    .filter((axis) => axis > 0 && axis < dims.length && (dims[axis] ?? 0) > 1 && (dims[axis] ?? 0) <= MOST_COLUMNS)
    .sort((a, b) => (dims[a] ?? 0) - (dims[b] ?? 0))
}

function sumOf(values: Float64Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += values[i] ?? 0
  return sum
}
