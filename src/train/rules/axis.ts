// Gradients of what moves elements along one axis.
import type { Emitter } from '../graph/emitter.ts'

/** Puts row j of dY at `positions[j]` of an axis of length `size`, zeros elsewhere. Positions are distinct. */
export function spread(g: Emitter, dY: string, axis: number, size: number, positions: readonly number[]): string {
  const dims = g.dims(dY)
  const first = positions[0] ?? 0
  const pads = [...dims, ...dims].map(() => 0)
  if (positions.every((position, j) => position === first + j)) {
    pads[axis] = first
    pads[axis + dims.length] = size - first - positions.length
    return g.pad(dY, pads)
  }
  // One more row of zeros, which every position without a row reads.
  pads[axis + dims.length] = 1
  const source = new Array<number>(size).fill(positions.length)
  for (const [j, position] of positions.entries()) source[position] = j
  return g.gather(g.pad(dY, pads), source, axis)
}

/** Multiplies along an axis: y[…, i, …] = Σ_o matrix[o][i] · dY[…, o, …]; `matrix` is [rows of dY, size], flat. */
export function alongAxis(g: Emitter, dY: string, axis: number, size: number, matrix: Float32Array): string {
  const rank = g.dims(dY).length
  const rows = g.dims(dY)[axis] ?? 1
  const factor = g.floats([rows, size], matrix)
  const perm = Array.from({ length: rank }, (_, i) => i)
  perm.splice(axis, 1)
  perm.push(axis)
  const product = g.matMul(g.transpose(dY, perm), factor)
  const back = perm.map((_, i) => perm.indexOf(i))
  return g.transpose(product, back)
}
