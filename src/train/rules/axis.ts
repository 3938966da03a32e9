// Gradients of what moves elements along one axis.
import { sizeOf } from '../../base/index.ts'
import type { Emitter } from '../graph/emitter.ts'

/** Longest axis whose rows are put in place by a product with ones and zeros: several times as fast as gathering them. */
const LONGEST_PRODUCT = 256

/** An axis, and its length in the gradient. */
export interface AxisSize {
  readonly axis: number
  readonly size: number
}

/** Puts row j of dY at `positions[j]` of an axis, zeros elsewhere. Positions are distinct. */
export function spread(g: Emitter, dY: string, { axis, size }: AxisSize, positions: readonly number[]): string {
  const dims = g.dims(dY)
  const first = positions[0] ?? 0
  const pads = [...dims, ...dims].map(() => 0)
  if (positions.every((position, j) => position === first + j)) {
    pads[axis] = first
    pads[axis + dims.length] = size - first - positions.length
    return g.pad(dY, pads)
  }
  if (size <= LONGEST_PRODUCT && g.known(dY).dtype === 'float32') {
    const matrix = new Float32Array(positions.length * size)
    for (const [j, position] of positions.entries()) matrix[j * size + position] = 1
    return alongAxis(g, dY, { axis, size }, matrix)
  }
  // One more row of zeros, which every position without a row reads.
  pads[axis + dims.length] = 1
  const source = new Array<number>(size).fill(positions.length)
  for (const [j, position] of positions.entries()) source[position] = j
  return g.gather(g.pad(dY, pads), source, axis)
}

/** Multiplies along an axis: y[…, i, …] = Σ_o matrix[o][i] · dY[…, o, …]; `matrix` is [rows of dY, size], flat. */
export function alongAxis(g: Emitter, dY: string, { axis, size }: AxisSize, matrix: Float32Array): string {
  const dims = g.dims(dY)
  const rows = dims[axis] ?? 1
  const result = dims.map((dim, i) => (i === axis ? size : dim))
  const inner = sizeOf(dims.slice(axis + 1))
  if (inner === 1) {
    const product = g.matMul(g.reshape(dY, [g.size(dY) / rows, rows]), g.floats([rows, size], matrix))
    return g.reshape(product, result)
  }
  const turned = Float32Array.from(
    { length: rows * size },
    (_, i) => matrix[(i % rows) * size + Math.floor(i / rows)] ?? 0,
  )
  const product = g.matMul(g.floats([size, rows], turned), g.reshape(dY, [sizeOf(dims.slice(0, axis)), rows, inner]))
  return g.reshape(product, result)
}
