// The big products: what other modules compute in a faster engine, and the same in TypeScript.
import { type AnyMatrix, gram, type Matrix, multiply, quadratic, type Transposed } from './matrix.ts'
import { type Scatter, scatter } from './scatter.ts'

/** The big products of linear algebra, computed in float64; the runtime module supplies them through ONNX Runtime. */
export interface Products {
  /** op(a)·op(b), op the transpose where `transposed` says so. */
  readonly multiply: (a: AnyMatrix, b: AnyMatrix, transposed?: Transposed) => Promise<Matrix>
  /** aᵢ·H·aᵢᵀ of each row of a [rows, n], H symmetric [n, n]; a thousandth of a percent is precise enough. */
  readonly quadratic: (a: AnyMatrix, h: AnyMatrix) => Promise<Float64Array>
  /** aᵀ·a */
  readonly gram: (a: AnyMatrix) => Promise<Matrix>
  /**
   * Means and sums of products about them of rows x [P, d] and y [P, n]; float32 rows are taken as precise to float32.
   * Takes x and y over: they may be handed to another thread, and be empty afterwards.
   */
  readonly scatter: (x: AnyMatrix, y?: AnyMatrix) => Promise<Scatter>
}

/** The products in TypeScript: for small matrices, tests and the browser. */
export const plainProducts: Products = {
  multiply: async (a, b, transposed) => multiply(a, b, transposed),
  quadratic: async (a, h) => quadratic(a, h),
  gram: async (a) => gram(a),
  scatter: async (x, y) => scatter(x, y),
}
