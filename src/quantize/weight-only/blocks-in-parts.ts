// A weight that lies in a file, in blocks: some of its rows at a time, so that the numbers of a whole one are never in memory as float64.
import type { Matrix } from '../../math/index.ts'
import type { Tensor, WeightView } from '../../onnx/index.ts'
import { nearestCodes, type RoundingGrids } from '../rounding/problem.ts'
import type { BlockedPart, BlockedWeight, BlockFormat, blockGrids } from './block-grids.ts'

/** Weights of a part, about. */
const PART = 2 ** 20

/**
 * The nearest codes of a matrix product's weight, made whenever somebody asks for them; `parts` gives them rows by rows.
 * @param grids where the grids of some rows lie
 */
export function blocksInParts(
  weight: Tensor,
  view: WeightView,
  format: BlockFormat,
  grids: typeof blockGrids,
): BlockedWeight {
  const { outputs: rows, inputsPerGroup: columns } = view
  const each = Math.max(1, Math.floor(PART / columns))
  function* parts(): Generator<BlockedPart> {
    const values = weight.floats()
    for (let from = 0; from < rows; from += each) {
      const own = someRows(values, view, { from, rows: Math.min(each, rows - from), columns })
      const found = grids(own, { ...format, wholeRows: rows })
      yield {
        from,
        rows: own.rows,
        columns,
        grids: found,
        get codes() {
          return nearestCodes(own, found)
        },
      }
    }
  }
  return {
    rows,
    columns,
    inParts: { format, parts },
    get grids() {
      return joinedGrids([...parts()].map((part) => part.grids))
    },
    get codes() {
      return joined([...parts()].map((part) => part.codes))
    },
  }
}

/** Rows [outputs, inputs] of a weight; read along memory, whatever axis has the outputs. */
function someRows(
  values: Float32Array,
  { offset, inputStride }: WeightView,
  { from, rows, columns }: { readonly from: number; readonly rows: number; readonly columns: number },
): Matrix {
  const data = new Float64Array(rows * columns)
  const starts = Array.from({ length: rows }, (_, row) => offset(from + row))
  if (inputStride === 1)
    for (let row = 0; row < rows; row++)
      for (let k = 0, at = starts[row]!; k < columns; k++) data[row * columns + k] = values[at + k]!
  else
    for (let k = 0; k < columns; k++)
      for (let row = 0; row < rows; row++) data[row * columns + k] = values[starts[row]! + k * inputStride]!
  return { rows, columns, data }
}

function joinedGrids(parts: readonly RoundingGrids[]): RoundingGrids {
  const [first] = parts
  if (!first) throw new Error('a weight without rows has no grids')
  const zeroPoints = joined(parts.map((part) => part.zeroPoints ?? new Float64Array(part.scales.length)))
  return { ...first, scales: joined(parts.map(({ scales }) => scales)), zeroPoints }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
