// Row-major float64 matrices, and the two products that are worth handing to a faster engine.
import { InputError } from '../../base/index.ts'

/** `data[row·columns + column]`. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** The big products of linear algebra; the runtime room supplies them through ONNX Runtime. */
export interface Products {
  /** a·b */
  readonly multiply: (a: Matrix, b: Matrix) => Promise<Matrix>
  /** aᵀ·a */
  readonly gram: (a: Matrix) => Promise<Matrix>
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
export function transpose(a: Matrix): Matrix {
  const data = new Float64Array(a.data.length)
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) data[j * a.rows + i] = a.data[i * a.columns + j]!
  return { rows: a.columns, columns: a.rows, data }
}

/** a·b in TypeScript. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.rows)
    throw new InputError(`cannot multiply ${a.rows}×${a.columns} by ${b.rows}×${b.columns}: inner sizes differ`)
  const n = b.columns
  const data = new Float64Array(a.rows * n)
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k]!
      if (factor !== 0) for (let j = 0; j < n; j++) data[i * n + j]! += factor * b.data[k * n + j]!
    }
  return { rows: a.rows, columns: n, data }
}

/** aᵀ·a in TypeScript; the upper triangle is computed once. */
export function gram(a: Matrix): Matrix {
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

/** The products in TypeScript: for small matrices, tests and the browser. */
export const plainProducts: Products = {
  multiply: async (a, b) => multiply(a, b),
  gram: async (a) => gram(a),
}
