// A streaming histogram on a grid of powers of two: the result does not depend on the order or the split of the data.

const binCount = 2048
const blockSize = 4096
const smallestExponent = -149

/**
 * Distribution of a stream of float32 values, in at most 2048 bins of width 2^exponent.
 * Bin j holds the values in [(first + j)·2^exponent, (first + j + 1)·2^exponent); zero is always an edge. Exact zeros
 * are counted in `zeros` and not in a bin: they cost nothing under any quantisation grid. NaN and ±Inf are counted in
 * `nonFinite` and nowhere else. The width is the smallest that holds min and max (and not below their float32
 * resolution); wider bins are unions of narrower ones, so counts merge exactly.
 */
export class Histogram {
  /** Finite values, zeros included. */
  count = 0
  zeros = 0
  nonFinite = 0
  /** Lowest and highest finite value; +Inf and −Inf while there is none. */
  min: number = Number.POSITIVE_INFINITY
  max: number = Number.NEGATIVE_INFINITY
  exponent: number = smallestExponent
  first = 0
  bins: Float64Array = new Float64Array(binCount)

  /** Width of a bin. */
  get width(): number {
    return 2 ** this.exponent
  }

  /** Adds every `stride`-th value, beginning at `phase`. */
  add(values: Float32Array, stride = 1, phase = 0): void {
    const block = new Float32Array(Math.min(blockSize, Math.ceil(Math.max(0, values.length - phase) / stride)))
    const bits = new Int32Array(block.buffer)
    for (let next = phase; next < values.length; ) {
      let size = 0
      if (stride === 1) {
        size = Math.min(blockSize, values.length - next)
        block.set(values.subarray(next, next + size))
        next += size
      } else for (; size < blockSize && next < values.length; next += stride) block[size++] = values[next] ?? 0
      this.addBlock(block, bits, size)
    }
  }

  /** Adds everything the other histogram has seen. */
  merge(other: Histogram): void {
    this.nonFinite += other.nonFinite
    if (other.count === 0) return
    this.widen(other.min, other.max, other.exponent)
    const shift = 2 ** (other.exponent - this.exponent)
    for (let j = 0; j < binCount; j++) {
      const counted = other.bins[j] ?? 0
      if (counted > 0) this.bins[Math.floor((other.first + j) * shift) - this.first]! += counted
    }
    this.zeros += other.zeros
    this.count += other.count
  }

  private addBlock(block: Float32Array, bits: Int32Array, length: number): void {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    let sum = 0
    let zeros = 0
    for (let i = 0; i < length; i++) {
      const value = block[i]!
      sum += value
      if (value < low) low = value
      if (value > high) high = value
      // 1 for +0 and −0 without a branch: zeros of a ReLU come at random.
      zeros += ((bits[i]! & 0x7fffffff) - 1) >>> 31
    }
    if (!Number.isFinite(sum)) {
      this.addFinite(block, bits, length)
      return
    }
    this.widen(low, high, smallestExponent)
    this.countBins(block, length)
    // A zero fell into the bin above zero; it belongs in none.
    if (zeros > 0) this.bins[-this.first]! -= zeros
    this.zeros += zeros
    this.count += length
  }

  /** The slow path: drops what is not finite, then counts the rest. */
  private addFinite(block: Float32Array, bits: Int32Array, length: number): void {
    let kept = 0
    for (let i = 0; i < length; i++) {
      const value = block[i] ?? 0
      if (Number.isFinite(value)) block[kept++] = value
    }
    this.nonFinite += length - kept
    if (kept > 0) this.addBlock(block, bits, kept)
  }

  private countBins(block: Float32Array, length: number): void {
    const { bins, first } = this
    const inverse = 2 ** -this.exponent
    for (let i = 0; i < length; i++) bins[Math.floor(block[i]! * inverse) - first]!++
  }

  /** Makes room for [low, high] with bins at least 2^exponent wide; each old bin falls into one new bin. */
  private widen(low: number, high: number, atLeast: number): void {
    // + 0 turns −0 into 0.
    const min = Math.min(this.min, low) + 0
    const max = Math.max(this.max, high) + 0
    this.min = min
    this.max = max
    const old = this.exponent
    let exponent = Math.max(old, atLeast, exponentOf(Math.max(-min, max)) - 23)
    while (Math.floor(max * 2 ** -exponent) - Math.floor(min * 2 ** -exponent) >= binCount) exponent++
    const first = Math.floor(min * 2 ** -exponent)
    if (exponent === old && first === this.first) return
    const bins = new Float64Array(binCount)
    const shift = 2 ** (old - exponent)
    for (let j = 0; j < binCount; j++) {
      const counted = this.bins[j] ?? 0
      if (counted > 0) bins[Math.floor((this.first + j) * shift) - first]! += counted
    }
    this.bins = bins
    this.exponent = exponent
    this.first = first
  }
}

/** floor(log2(x)) of a positive float32; the smallest exponent for 0. */
function exponentOf(x: number): number {
  if (!(x > 0)) return smallestExponent
  let exponent = Math.floor(Math.log2(x))
  if (2 ** exponent > x) exponent--
  else if (2 ** (exponent + 1) <= x) exponent++
  return exponent
}
