// Row-major float64 matrices.
import { InputError } from '../../base/index.ts'

/** `data[row·columns + column]`. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** A matrix as the big products take it: samples come as float32. */
export interface AnyMatrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float32Array | Float64Array
}

/** Which factors are read as their transpose. */
export interface Transposed {
  readonly a?: boolean
  readonly b?: boolean
  /** Factors that nobody reads any more: they may be handed to another thread, and be empty afterwards. */
  readonly spent?: 'a' | 'b' | 'both'
}

/**
 * A matrix over `data`, which is not copied.
 * @throws InputError when `data` has not rows·columns numbers
 */
export function matrix(rows: number, columns: number, data: Float64Array = new Float64Array(rows * columns)): Matrix {
  if (data.length !== rows * columns)
    throw new InputError(`a ${rows}×${columns} matrix needs ${rows * columns} numbers, got ${data.length}`)
  return { rows, columns, data }
}

/** aᵀ, a copy. */
export function transpose(a: AnyMatrix): Matrix {
  const data = new Float64Array(a.data.length)
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) data[j * a.rows + i] = a.data[i * a.columns + j]!
  return { rows: a.columns, columns: a.rows, data }
}

/** a·b in TypeScript, either of them transposed on request. */
export function multiply(given: AnyMatrix, other: AnyMatrix, transposed: Transposed = {}): Matrix {
  const a = transposed.a ? transpose(given) : given
  const b = transposed.b ? transpose(other) : other
  checkInner(a, b)
  const n = b.columns
  const data = new Float64Array(a.rows * n)
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k]!
      if (factor !== 0) for (let j = 0; j < n; j++) data[i * n + j]! += factor * b.data[k * n + j]!
    }
  return { rows: a.rows, columns: n, data }
}

/** @throws InputError when a·b does not exist */
export function checkInner(a: AnyMatrix, b: AnyMatrix): void {
  if (a.columns !== b.rows)
    throw new InputError(`cannot multiply ${a.rows}×${a.columns} by ${b.rows}×${b.columns}: inner sizes differ`)
}

/** aᵢ·H·aᵢᵀ of each row of a, in TypeScript. */
export function quadratic(a: AnyMatrix, h: AnyMatrix): Float64Array {
  const product = multiply(a, h)
  const sums = new Float64Array(a.rows)
  for (let row = 0, i = 0; row < a.rows; row++)
    for (let c = 0; c < a.columns; c++, i++) sums[row]! += a.data[i]! * product.data[i]!
  return sums
}

/** aᵀ·a in TypeScript; the upper triangle is computed once. */
export function gram(a: AnyMatrix): Matrix {
  const n = a.columns
  const data = new Float64Array(n * n)
  for (let row = 0; row < a.rows; row++)
    for (let i = 0; i < n; i++) {
      const factor = a.data[row * n + i]!
      if (factor !== 0) for (let j = i; j < n; j++) data[i * n + j]! += factor * a.data[row * n + j]!
    }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) data[i * n + j] = data[j * n + i]!
  return { rows: n, columns: n, data }
}
