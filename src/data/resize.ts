// Antialiased resize in two passes, along rows and along columns, rounded to 8 bits in between: the same bytes as Pillow.
import type { Picture } from './picture.ts'
import { type KernelTable, kernelTable, type ResizedAxis, type ResizeFilter, weightBits } from './resize-kernel.ts'

/** A part of a picture, in pixels. */
export interface Window {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export interface ResizeOptions {
  readonly filter: ResizeFilter
  /** Widen the kernel when shrinking. */
  readonly antialias: boolean
  /** The part of the resized picture that is wanted; nothing else is computed. The whole of it if not given. */
  readonly window?: Window
}

const half = 1 << (weightBits - 1)

/** Resizes a picture to `width` × `height` and returns the wanted window of the result. */
export function resize(picture: Picture, width: number, height: number, options: ResizeOptions): Picture {
  const { window = { left: 0, top: 0, width, height } } = options
  const columns = passAlong({ from: picture.width, to: width, start: window.left, count: window.width }, options)
  const rows = passAlong({ from: picture.height, to: height, start: window.top, count: window.height }, options)
  const needed = cut(picture, {
    left: columns.first,
    top: rows.first,
    width: columns.last - columns.first,
    height: rows.last - rows.first,
  })
  const across = (part: Picture) => (columns.table ? resizeColumns(part, columns.table) : part)
  const down = (part: Picture) => (rows.table ? resizeRows(part, rows.table) : part)
  // Rounding in between makes the order matter; Pillow 13 begins with the rows when they shrink far more.
  const rowsFirst = height < picture.height && picture.height - height > 2 * (picture.width - width)
  return rowsFirst ? across(down(needed)) : down(across(needed))
}

/** What is needed of one axis, and the weights; no table when the size stays. */
function passAlong(
  axis: ResizedAxis,
  { filter, antialias }: ResizeOptions,
): { readonly first: number; readonly last: number; readonly table?: KernelTable } {
  if (axis.from === axis.to) return { first: axis.start, last: axis.start + axis.count }
  const table = kernelTable(axis, filter, antialias)
  return { first: table.first, last: table.last, table }
}

/** A window of a picture. */
export function cut(picture: Picture, window: Window): Picture {
  const { left, top, width, height } = window
  const stride = picture.width * 3
  // Whole rows need no copy.
  if (width === picture.width)
    return { width, height, data: picture.data.subarray(top * stride, (top + height) * stride) }
  const data = new Uint8Array(width * height * 3)
  for (let row = 0; row < height; row++) {
    const start = (top + row) * stride + left * 3
    data.set(picture.data.subarray(start, start + width * 3), row * width * 3)
  }
  return { width, height, data }
}

/** Every row resampled to the columns of the table; the input holds the columns that the table needs, and only those. */
function resizeColumns(picture: Picture, table: KernelTable): Picture {
  const { taps, starts, counts, weights, first } = table
  const width = starts.length
  const source = picture.data
  const data = new Uint8ClampedArray(width * picture.height * 3)
  let target = 0
  for (let row = 0; row < picture.height; row++) {
    const rowStart = row * picture.width - first
    for (let column = 0; column < width; column++) {
      let red = half
      let green = half
      let blue = half
      let pixel = (rowStart + starts[column]!) * 3
      const end = column * taps + counts[column]!
      for (let tap = column * taps; tap < end; tap++) {
        const weight = weights[tap]!
        red = (red + Math.imul(source[pixel]!, weight)) | 0
        green = (green + Math.imul(source[pixel + 1]!, weight)) | 0
        blue = (blue + Math.imul(source[pixel + 2]!, weight)) | 0
        pixel += 3
      }
      data[target] = red >> weightBits
      data[target + 1] = green >> weightBits
      data[target + 2] = blue >> weightBits
      target += 3
    }
  }
  return { width, height: picture.height, data }
}

/** Every column resampled to the rows of the table; the input holds the rows that the table needs, and only those. */
function resizeRows(picture: Picture, table: KernelTable): Picture {
  const { taps, starts, counts, weights, first } = table
  const stride = picture.width * 3
  const height = starts.length
  const data = new Uint8ClampedArray(stride * height)
  const sums = new Int32Array(stride)
  for (let row = 0; row < height; row++) {
    const count = counts[row]!
    sums.fill(half)
    for (let tap = 0; tap < count; tap += 4)
      addFourRows(sums, picture.data, (starts[row]! - first + tap) * stride, weights, row * taps + tap, count - tap)
    const target = row * stride
    for (let byte = 0; byte < stride; byte++) data[target + byte] = sums[byte]! >> weightBits
  }
  return { width: picture.width, height, data }
}

/** Adds the next `left` rows, at most four, times their weights. Four at once keep the sums in registers: twice as fast. */
function addFourRows(
  sums: Int32Array,
  source: Uint8Array | Uint8ClampedArray,
  start: number,
  weights: Int32Array,
  firstTap: number,
  left: number,
): void {
  const stride = sums.length
  const weightA = weights[firstTap]!
  const weightB = left > 1 ? weights[firstTap + 1]! : 0
  const weightC = left > 2 ? weights[firstTap + 2]! : 0
  const weightD = left > 3 ? weights[firstTap + 3]! : 0
  // A row that is not there counts nothing; it is read from the first one.
  let a = start
  let b = left > 1 ? start + stride : start
  let c = left > 2 ? start + 2 * stride : start
  let d = left > 3 ? start + 3 * stride : start
  for (let byte = 0; byte < stride; byte++) {
    const ab = (Math.imul(source[a++]!, weightA) + Math.imul(source[b++]!, weightB)) | 0
    const cd = (Math.imul(source[c++]!, weightC) + Math.imul(source[d++]!, weightD)) | 0
    sums[byte] = (((sums[byte]! + ab) | 0) + cd) | 0
  }
}
