// From a layer's own order of inputs to that of a split, and back.
import type { LayerGeometry } from '../calibrate/index.ts'
import { type Matrix, matrix } from '../math/index.ts'
import type { Bilinear } from './bilinear.ts'
import type { Split } from './splits/index.ts'
import type { FitTarget } from './target.ts'

/**
 * For each input of the split's order (position of the second part, input channel, position of the first part) its index
 * in the layer's order (input channel, kernel row, kernel column).
 */
export function orderOfSplit(split: Split, geometry: LayerGeometry): Int32Array {
  const { kernel, inputsPerGroup } = geometry
  const [kh, kw] = kernel
  const { first, second } = split.positions(geometry)
  const order = new Int32Array(inputsPerGroup * kh * kw)
  let at = 0
  for (let y2 = 0; y2 < second[0]; y2++)
    for (let x2 = 0; x2 < second[1]; x2++)
      for (let i = 0; i < inputsPerGroup; i++)
        for (let y1 = 0; y1 < first[0]; y1++)
          // Of y1 and y2 (x1 and x2) one is always 0: a split divides the positions between its parts.
          for (let x1 = 0; x1 < first[1]; x1++) order[at++] = (i * kh + y1 + y2) * kw + x1 + x2
  return order
}

/** The fitting problem of one group in the order of a split. */
export function problemOf(split: Split, geometry: LayerGeometry, target: FitTarget): Bilinear {
  const { first, second } = split.positions(geometry)
  const order = orderOfSplit(split, geometry)
  const across = second[0] * second[1]
  const width = geometry.inputsPerGroup * first[0] * first[1]
  if (order.every((from, to) => from === to)) return { across, width, target }
  const weight = columnsIn(target.weight, order)
  const covariance = bothIn(target.covariance, order)
  // Without data both are the same matrix.
  const cross = target.cross === target.weight ? weight : columnsIn(target.cross, order)
  return { across, width, target: { ...target, weight, covariance, cross } }
}

/** A kernel of a split's order, in the layer's own. */
export function inLayerOrder(split: Split, geometry: LayerGeometry, kernel: Matrix): Matrix {
  const order = orderOfSplit(split, geometry)
  const inverse = new Int32Array(order.length)
  for (let to = 0; to < order.length; to++) inverse[order[to]!] = to
  return columnsIn(kernel, inverse)
}

function columnsIn(a: Matrix, order: Int32Array): Matrix {
  const result = matrix(a.rows, a.columns)
  for (let row = 0, at = 0; row < a.rows; row++)
    for (let c = 0; c < order.length; c++, at++) result.data[at] = a.data[row * a.columns + order[c]!]!
  return result
}

/** Rows and columns of a square matrix in another order. */
function bothIn(a: Matrix, order: Int32Array): Matrix {
  const n = order.length
  const result = matrix(n, n)
  for (let i = 0, at = 0; i < n; i++) {
    const row = order[i]! * n
    for (let j = 0; j < n; j++, at++) result.data[at] = a.data[row + order[j]!]!
  }
  return result
}
