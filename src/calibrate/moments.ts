// Moments of what a layer sees: means and covariances of its input patches, and of its outputs with them.
import { InputError } from '../base/index.ts'
import { type AnyMatrix, addOuter, columnMeans, type Matrix, type Products, type Scatter } from '../math/index.ts'

/** Moments as plain numbers: means, and sums of centred products. */
export interface MomentsState extends Scatter {
  readonly inputs: number
  readonly outputs: number
  readonly count: number
}

/**
 * Streams samples x [d] and, when they are given, targets y [n]: count, means, C = cov(x, x) [d, d], B = cov(y, x) [n, d]
 * and the diagonal of cov(y, y), all in float64 and divided by the count. Two partial moments merge into what one pass over
 * both gives, up to rounding: products of many rows are sums of a runtime, which depend on what was summed together.
 */
export class Moments {
  readonly inputs: number
  readonly outputs: number
  readonly #withCovariance: boolean
  #count = 0
  readonly #meanX: Float64Array
  readonly #meanY: Float64Array
  /** Sums of centred products; the covariances times the count. */
  readonly #xx: Float64Array
  readonly #yx: Float64Array
  readonly #yy: Float64Array

  /**
   * @param outputs 0 when only inputs are watched
   * @param options without covariances only means and the targets' variance are kept
   */
  constructor(inputs: number, outputs = 0, options: { readonly withCovariance?: boolean } = {}) {
    this.inputs = inputs
    this.outputs = outputs
    this.#meanX = new Float64Array(inputs)
    this.#meanY = new Float64Array(outputs)
    this.#yy = new Float64Array(outputs)
    this.#withCovariance = options.withCovariance ?? true
    const columns = this.#withCovariance ? inputs : 0
    this.#xx = new Float64Array(columns * columns)
    this.#yx = new Float64Array(outputs * columns)
  }

  /** What was seen so far, as plain numbers: for a file or another process. */
  get state(): MomentsState {
    const { inputs, outputs } = this
    const sums = { xx: this.#xx, yx: this.#yx, yy: this.#yy }
    return { inputs, outputs, count: this.#count, meanX: this.#meanX, meanY: this.#meanY, ...sums }
  }

  /**
   * The moments whose `state` this is.
   * @throws InputError when its arrays have not the lengths that its sizes need
   */
  static of(state: MomentsState): Moments {
    const { inputs, outputs, count, ...sums } = state
    const moments = new Moments(inputs, outputs, { withCovariance: sums.xx.length > 0 || inputs === 0 })
    const columns = sums.xx.length > 0 ? inputs : 0
    const lengths = { meanX: inputs, meanY: outputs, xx: columns * columns, yx: outputs * columns, yy: outputs }
    for (const [name, length] of Object.entries(lengths) as [keyof Scatter, number][])
      if (sums[name].length !== length)
        throw new InputError(
          `moments of ${inputs} inputs and ${outputs} outputs need ${length} numbers as ${name}, got ${sums[name].length}`,
        )
    moments.#join(count, sums)
    return moments
  }

  get count(): number {
    return this.#count
  }

  /** Mean of x, [d]. */
  get meanX(): Float64Array {
    return this.#meanX
  }

  /** Mean of y, [n]. */
  get meanY(): Float64Array {
    return this.#meanY
  }

  /** cov(x, x), [d, d]; a copy. */
  get covariance(): Matrix {
    return { rows: this.inputs, columns: this.inputs, data: this.#scaled(this.#xx) }
  }

  /** cov(y, x), [n, d]; a copy. */
  get crossCovariance(): Matrix {
    return { rows: this.outputs, columns: this.inputs, data: this.#scaled(this.#yx) }
  }

  /** Variance of each channel of the target, [n]: the diagonal of cov(y, y). */
  get targetVariances(): Float64Array {
    return this.#scaled(this.#yy)
  }

  /** Adds rows of x [P, d] and of y [P, n]. Takes them over: they may be empty afterwards. */
  async add(products: Products, x: AnyMatrix, y?: AnyMatrix): Promise<void> {
    if (x.columns !== this.inputs || (y?.columns ?? 0) !== this.outputs || (y && y.rows !== x.rows))
      throw new InputError(
        `moments of ${this.inputs} inputs and ${this.outputs} outputs got ${x.rows}×${x.columns} and ${y?.rows ?? 0}×${y?.columns ?? 0}`,
      )
    if (x.rows === 0) return
    if (this.#withCovariance) return this.#join(x.rows, await products.scatter(x, y))
    // Inputs too long for a covariance: all that is known of them is their mean.
    const meanY = y ? columnMeans(y) : none
    this.#join(x.rows, { meanX: columnMeans(x), meanY, xx: none, yx: none, yy: y ? squaresAbout(y, meanY) : none })
  }

  /** Adds what other moments of the same sizes have seen. */
  merge(other: Moments): void {
    if (other.inputs !== this.inputs || other.outputs !== this.outputs)
      throw new InputError(
        `moments of ${this.inputs} and ${this.outputs} do not merge with moments of ${other.inputs} and ${other.outputs}`,
      )
    this.#join(other.#count, {
      meanX: other.#meanX,
      meanY: other.#meanY,
      xx: other.#xx,
      yx: other.#yx,
      yy: other.#yy,
    })
  }

  #join(count: number, { meanX, meanY, xx, yx, yy }: Scatter): void {
    if (count === 0) return
    const total = this.#count + count
    const stepX = meanX.map((mean, i) => mean - this.#meanX[i]!)
    const stepY = meanY.map((mean, o) => mean - this.#meanY[o]!)
    const weight = (this.#count * count) / total
    for (let i = 0; i < xx.length; i++) this.#xx[i]! += xx[i]!
    for (let i = 0; i < yx.length; i++) this.#yx[i]! += yx[i]!
    if (this.#withCovariance) {
      addOuter(this.#xx, stepX, stepX, weight)
      addOuter(this.#yx, stepY, stepX, weight)
    }
    for (const [o, step] of stepY.entries()) this.#yy[o]! += yy[o]! + weight * step * step
    for (let i = 0; i < stepX.length; i++) this.#meanX[i]! += (stepX[i]! * count) / total
    for (let o = 0; o < stepY.length; o++) this.#meanY[o]! += (stepY[o]! * count) / total
    this.#count = total
  }

  #scaled(sums: Float64Array): Float64Array {
    const factor = 1 / Math.max(1, this.#count)
    const scaled = new Float64Array(sums.length)
    for (let i = 0; i < sums.length; i++) scaled[i] = sums[i]! * factor
    return scaled
  }
}

const none = new Float64Array(0)

/** Σ (y − mean)² of each column. */
function squaresAbout({ rows, columns, data }: AnyMatrix, means: Float64Array): Float64Array {
  const sums = new Float64Array(columns)
  for (let row = 0, i = 0; row < rows; row++)
    for (let c = 0; c < columns; c++, i++) sums[c]! += (data[i]! - means[c]!) ** 2
  return sums
}
