// The matrix product that training spends its time in: tiles of 4 x 4 sums in registers, on strided views.

/** A matrix in a flat array; element (i, j) is `data[i * rowStep + j * columnStep]`. */
export interface Matrix {
  readonly data: Float32Array
  readonly rowStep: number
  readonly columnStep: number
}

/** `data` as rows of `columns` numbers. */
export function matrix(data: Float32Array, columns: number): Matrix {
  return { data, rowStep: columns, columnStep: 1 }
}

export function transposed({ data, rowStep, columnStep }: Matrix): Matrix {
  return { data, rowStep: columnStep, columnStep: rowStep }
}

/** Terms summed before the next tile: what a tile reads stays in the cache for its neighbours. */
const DEPTH = 256

/**
 * Adds the product of `a` [rows, depth] and `b` [depth, columns] to `out`, which lies row by row.
 * Sums of up to 256 terms are kept in float64, then rounded to float32.
 */
export function addProduct(
  out: Float32Array,
  a: Matrix,
  b: Matrix,
  rows: number,
  columns: number,
  depth: number,
): void {
  const tiledRows = rows - (rows % 4)
  const tiledColumns = columns - (columns % 4)
  for (let start = 0; start < depth; start += DEPTH) {
    const end = Math.min(depth, start + DEPTH)
    addTiles(out, a, b, tiledRows, tiledColumns, columns, start, end)
    addRest(out, a, b, 0, tiledRows, tiledColumns, columns, start, end)
    addRest(out, a, b, tiledRows, rows, 0, columns, start, end)
  }
}

function addTiles(
  out: Float32Array,
  { data: a, rowStep: aRow, columnStep: aDepth }: Matrix,
  { data: b, rowStep: bDepth, columnStep: bColumn }: Matrix,
  rows: number,
  tiledColumns: number,
  columns: number,
  start: number,
  end: number,
): void {
  for (let i = 0; i < rows; i += 4)
    for (let j = 0; j < tiledColumns; j += 4) {
      let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0]
      let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0]
      let p = i * aRow + start * aDepth
      let q = j * bColumn + start * bDepth
      for (let k = start; k < end; k++) {
        const a0 = a[p]!
        const a1 = a[p + aRow]!
        const a2 = a[p + 2 * aRow]!
        const a3 = a[p + 3 * aRow]!
        const b0 = b[q]!
        const b1 = b[q + bColumn]!
        const b2 = b[q + 2 * bColumn]!
        const b3 = b[q + 3 * bColumn]!
        s00 += a0 * b0
        s01 += a0 * b1
        s02 += a0 * b2
        s03 += a0 * b3
        s10 += a1 * b0
        s11 += a1 * b1
        s12 += a1 * b2
        s13 += a1 * b3
        s20 += a2 * b0
        s21 += a2 * b1
        s22 += a2 * b2
        s23 += a2 * b3
        s30 += a3 * b0
        s31 += a3 * b1
        s32 += a3 * b2
        s33 += a3 * b3
        p += aDepth
        q += bDepth
      }
      const at = i * columns + j
      addFour(out, at, s00, s01, s02, s03)
      addFour(out, at + columns, s10, s11, s12, s13)
      addFour(out, at + 2 * columns, s20, s21, s22, s23)
      addFour(out, at + 3 * columns, s30, s31, s32, s33)
    }
}

function addFour(out: Float32Array, at: number, s0: number, s1: number, s2: number, s3: number): void {
  out[at] = out[at]! + s0
  out[at + 1] = out[at + 1]! + s1
  out[at + 2] = out[at + 2]! + s2
  out[at + 3] = out[at + 3]! + s3
}

/** Rows and columns that do not fill a tile, a number at a time. */
function addRest(
  out: Float32Array,
  a: Matrix,
  b: Matrix,
  firstRow: number,
  lastRow: number,
  firstColumn: number,
  columns: number,
  start: number,
  end: number,
): void {
  for (let i = firstRow; i < lastRow; i++)
    for (let j = firstColumn; j < columns; j++) {
      let sum = 0
      for (let k = start; k < end; k++)
        sum += a.data[i * a.rowStep + k * a.columnStep]! * b.data[k * b.rowStep + j * b.columnStep]!
      out[i * columns + j] = out[i * columns + j]! + sum
    }
}
