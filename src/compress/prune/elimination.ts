// Backward elimination: which channels a layer can do without, when it is fitted anew to those that stay.
import { cholesky, choleskyWithRidge, type Matrix, type Products } from '../../math/index.ts'

/**
 * One group of a reading layer: its weights W [n, d] and the inverse Ci of its inputs' covariance. Taking out the columns c
 * of a channel costs tr(W_c·(Ci_cc)⁻¹·W_cᵀ) when the rest is fitted anew; then W −= W_c·(Ci_cc)⁻¹·Ci_c and
 * Ci −= Ci_·c·(Ci_cc)⁻¹·Ci_c· (the best surgeon's formula, arXiv 1705.07565, Sec. 3, for blocks of columns).
 */
export class Elimination {
  readonly #rows: number
  #size: number
  #weight: Float64Array
  #inverse: Float64Array
  /** Number → its columns among those that are left. */
  #columns: Map<number, number[]>
  readonly #energy: number

  /**
   * @param inverse Ci [d, d], of `inverseOf`; taken over
   * @param columns number of a channel → its columns
   * @param energy what costs are a share of
   */
  constructor(weight: Matrix, inverse: Matrix, columns: ReadonlyMap<number, readonly number[]>, energy: number) {
    this.#rows = weight.rows
    this.#size = weight.columns
    this.#weight = weight.data.slice()
    this.#inverse = inverse.data
    this.#columns = new Map([...columns].map(([id, list]) => [id, [...list]]))
    this.#energy = energy > 0 ? energy : 1
  }

  has(id: number): boolean {
    return this.#columns.has(id)
  }

  /** What taking out a channel costs now, as a share of the energy. */
  cost(id: number): number {
    const columns = this.#columns.get(id) ?? []
    const k = columns.length
    const block = this.#block(columns)
    let cost = 0
    const z = new Float64Array(k)
    // wᵀ·Ci_cc⁻¹·w = |L⁻¹·w|²
    for (let o = 0; o < this.#rows; o++) {
      const base = o * this.#size
      for (let i = 0; i < k; i++) {
        let sum = this.#weight[base + columns[i]!]!
        for (let j = 0; j < i; j++) sum -= block[i * k + j]! * z[j]!
        z[i] = sum / block[i * k + i]!
        cost += z[i]! ** 2
      }
    }
    return cost / this.#energy
  }

  /** Takes a channel out and fits the rest anew. */
  remove(id: number): void {
    const columns = this.#columns.get(id)
    if (!columns) return
    const [d, k] = [this.#size, columns.length]
    const block = this.#block(columns)
    // Half = L⁻¹·Ci_c [k, d]: then Ci −= Halfᵀ·Half and W −= (L⁻¹·W_cᵀ)ᵀ·Half.
    const half = new Float64Array(k * d)
    for (let i = 0; i < k; i++) {
      const row = half.subarray(i * d, (i + 1) * d)
      row.set(this.#inverse.subarray(columns[i]! * d, (columns[i]! + 1) * d))
      for (let j = 0; j < i; j++) subtract(row, half.subarray(j * d, (j + 1) * d), block[i * k + j]!)
      for (let c = 0; c < d; c++) row[c]! /= block[i * k + i]!
    }
    for (let row = 0; row < d; row++) {
      const target = this.#inverse.subarray(row * d, (row + 1) * d)
      for (let i = 0; i < k; i++) subtract(target, half.subarray(i * d, (i + 1) * d), half[i * d + row]!)
    }
    for (let o = 0; o < this.#rows; o++) {
      const target = this.#weight.subarray(o * d, (o + 1) * d)
      const z = new Float64Array(k)
      for (let i = 0; i < k; i++) {
        let sum = target[columns[i]!]!
        for (let j = 0; j < i; j++) sum -= block[i * k + j]! * z[j]!
        z[i] = sum / block[i * k + i]!
      }
      for (let i = 0; i < k; i++) subtract(target, half.subarray(i * d, (i + 1) * d), z[i]!)
    }
    this.#drop(columns)
    this.#columns.delete(id)
  }

  /** Lower triangle of Ci_cc. */
  #block(columns: readonly number[]): Float64Array {
    const [d, k] = [this.#size, columns.length]
    const block = { rows: k, columns: k, data: new Float64Array(k * k) }
    let largest = 0
    for (let i = 0; i < k; i++)
      for (let j = 0; j < k; j++) {
        const value = this.#inverse[columns[i]! * d + columns[j]!]!
        block.data[i * k + j] = value
        largest = Math.max(largest, Math.abs(value))
      }
    return (cholesky(block) ?? choleskyWithRidge(block, Math.max(1e-12 * largest, 1e-300))).data
  }

  /** Leaves columns (and rows of the inverse) out of both matrices. */
  #drop(columns: readonly number[]): void {
    const gone = new Set(columns)
    const d = this.#size
    const left = [...Array(d).keys()].filter((column) => !gone.has(column))
    const place = new Map(left.map((column, to) => [column, to]))
    this.#inverse = picked(this.#inverse, d, left, left)
    this.#weight = picked(this.#weight, d, [...Array(this.#rows).keys()], left)
    this.#size = left.length
    this.#columns = new Map([...this.#columns].map(([id, list]) => [id, list.flatMap((c) => place.get(c) ?? [])]))
  }
}

/** a −= factor·b */
function subtract(a: Float64Array, b: Float64Array, factor: number): void {
  if (factor !== 0) for (let i = 0; i < a.length; i++) a[i]! -= factor * b[i]!
}

/** Rows and columns of a matrix, in place: what is picked never lies before where it goes. */
function picked(data: Float64Array, columns: number, rows: readonly number[], kept: readonly number[]): Float64Array {
  let to = 0
  for (const row of rows) for (const column of kept) data[to++] = data[row * columns + column]!
  return data.subarray(0, to)
}

/** The inverse of a positive definite matrix, C⁻¹ = L⁻ᵀ·L⁻¹; a ridge helps where rounding made it none. */
export async function inverseOf(products: Products, covariance: Matrix): Promise<Matrix> {
  const d = covariance.rows
  let trace = 0
  for (let i = 0; i < d; i++) trace += covariance.data[i * (d + 1)]!
  const l = (cholesky(covariance) ?? choleskyWithRidge(covariance, (1e-9 * trace) / d || 1)).data
  // Rows of L⁻¹, from the top: each is made of those above it.
  const data = new Float64Array(d * d)
  for (let i = 0; i < d; i++) {
    const own = i * d
    for (let k = 0; k < i; k++) {
      const factor = l[own + k]!
      const above = k * d
      if (factor !== 0) for (let j = 0; j <= k; j++) data[own + j]! -= factor * data[above + j]!
    }
    const pivot = l[own + i]!
    for (let j = 0; j < i; j++) data[own + j]! /= pivot
    data[own + i] = 1 / pivot
  }
  return products.gram({ rows: d, columns: d, data })
}
