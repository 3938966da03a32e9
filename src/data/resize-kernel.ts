// Which input pixels make an output pixel, and with which weights: Pillow's separable antialiased resampling.

export type ResizeFilter = 'bilinear' | 'bicubic' | 'nearest'

/** Weights are fixed-point numbers with this many fractional bits, as in Pillow for 8-bit pixels. */
export const weightBits = 22

/** For each output pixel of a window: the first input pixel, how many, and their weights (`taps` slots each). */
export interface KernelTable {
  readonly taps: number
  readonly starts: Int32Array
  readonly counts: Int32Array
  readonly weights: Int32Array
  /** Input pixels that are needed at all: from `first` up to, not including, `last`. */
  readonly first: number
  readonly last: number
}

/** One axis of a picture that is resized: from how many pixels to how many, and the output pixels that are wanted. */
export interface ResizedAxis {
  readonly from: number
  readonly to: number
  readonly start: number
  readonly count: number
}

interface Kernel {
  /** Half the kernel's width, in output pixels. */
  readonly support: number
  readonly at: (x: number) => number
}

const kernels: Record<Exclude<ResizeFilter, 'nearest'>, Kernel> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: cubic },
}

/** The cubic convolution kernel with a = -0.5 (Catmull-Rom). */
function cubic(x: number): number {
  const a = -0.5
  const t = Math.abs(x)
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a
  return 0
}

const cache = new Map<string, KernelTable>()
const CACHE_SIZE = 64

/** Weights to resize an axis. With `antialias` the kernel is widened when shrinking. */
export function kernelTable(axis: ResizedAxis, filter: ResizeFilter, antialias: boolean): KernelTable {
  const { from, to, start, count } = axis
  const key = `${from} ${to} ${start} ${count} ${filter} ${antialias}`
  const known = cache.get(key)
  if (known) return known
  const table = filter === 'nearest' ? nearestTable(axis) : weightedTable(axis, kernels[filter], antialias)
  if (cache.size >= CACHE_SIZE) cache.clear()
  cache.set(key, table)
  return table
}

function weightedTable({ from, to, start, count }: ResizedAxis, kernel: Kernel, antialias: boolean): KernelTable {
  const step = from / to
  const stretch = antialias ? Math.max(step, 1) : 1
  const support = kernel.support * stretch
  const taps = Math.ceil(support) * 2 + 1
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const weights = new Int32Array(count * taps)
  const row = new Float64Array(taps)
  for (let index = 0; index < count; index++) {
    const center = (start + index + 0.5) * step
    const low = Math.max(0, Math.trunc(center - support + 0.5))
    const high = Math.min(from, Math.trunc(center + support + 0.5))
    let sum = 0
    for (let tap = 0; tap < high - low; tap++) {
      row[tap] = kernel.at((low + tap - center + 0.5) / stretch)
      sum += row[tap]!
    }
    for (let tap = 0; tap < high - low; tap++) {
      const weight = (row[tap]! / sum) * 2 ** weightBits
      weights[index * taps + tap] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5)
    }
    starts[index] = low
    counts[index] = high - low
  }
  return withExtent(taps, starts, counts, weights)
}

function nearestTable({ from, to, start, count }: ResizedAxis): KernelTable {
  const starts = new Int32Array(count)
  // Adding up steps, rather than multiplying, decides ties as Pillow does.
  let position = (from / to) * 0.5
  for (let index = 0; index < start + count; index++) {
    if (index >= start) starts[index - start] = Math.min(from - 1, Math.floor(position))
    position += from / to
  }
  return withExtent(1, starts, new Int32Array(count).fill(1), new Int32Array(count).fill(2 ** weightBits))
}

function withExtent(taps: number, starts: Int32Array, counts: Int32Array, weights: Int32Array): KernelTable {
  const final = starts.length - 1
  return { taps, starts, counts, weights, first: starts[0]!, last: starts[final]! + counts[final]! }
}
