// The products in TypeScript.
import { gram, multiply, type Products } from './matrix.ts'
import { scatter } from './scatter.ts'

/** The products in TypeScript: for small matrices, tests and the browser. */
export const plainProducts: Products = {
  multiply: async (a, b, transposed) => multiply(a, b, transposed),
  gram: async (a) => gram(a),
  scatter: async (x, y) => scatter(x, y),
}
