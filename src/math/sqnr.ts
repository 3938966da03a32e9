// Signal-to-quantisation-noise ratio, streamed: 10·log10(Σ y² / Σ (y − ŷ)²) in dB.

/** Adds up signal and noise over any number of pieces. */
export class SqnrAccumulator {
  signal = 0
  noise = 0
  count = 0

  /** Adds reference values and what was got instead. */
  add(reference: ArrayLike<number>, got: ArrayLike<number>): void {
    let signal = 0
    let noise = 0
    for (let i = 0; i < reference.length; i++) {
      const y = reference[i] ?? 0
      const error = y - (got[i] ?? 0)
      signal += y * y
      noise += error * error
    }
    this.signal += signal
    this.noise += noise
    this.count += reference.length
  }

  /**
   * The same for values of which the reference may hold NaN or infinities: what it does not know is left out.
   * @returns how many values were left out
   */
  addKnown(reference: Float32Array, got: Float32Array): number {
    const whole = sumsOf(reference, got)
    // Squares of float32 do not overflow: where all is known, which is usual, nothing needs a look of its own.
    const known = Number.isFinite(whole.signal) ? whole : knownSumsOf(reference, got)
    this.signal += known.signal
    this.noise += known.noise
    this.count += known.count
    return reference.length - known.count
  }

  /** Same values everywhere? Then there is no ratio. */
  get exact(): boolean {
    return this.noise === 0
  }

  /** In dB; null for an exact match, NaN when a value was not a number. */
  get db(): number | null {
    return this.noise === 0 ? null : 10 * Math.log10(this.signal / this.noise)
  }
}

interface Sums {
  readonly signal: number
  readonly noise: number
  readonly count: number
}

function sumsOf(reference: Float32Array, got: Float32Array): Sums {
  const count = reference.length
  let [signal, noise] = [0, 0]
  for (let i = 0; i < count; i++) {
    const y = reference[i]!
    const error = y - (got[i] ?? 0)
    signal += y * y
    noise += error * error
  }
  return { signal, noise, count }
}

function knownSumsOf(reference: Float32Array, got: Float32Array): Sums {
  let [signal, noise, count] = [0, 0, 0]
  for (let i = 0; i < reference.length; i++) {
    const y = reference[i]!
    if (!Number.isFinite(y)) continue
    const error = y - (got[i] ?? 0)
    signal += y * y
    noise += error * error
    count++
  }
  return { signal, noise, count }
}

/** SQNR of two arrays in dB; null for an exact match. */
export function sqnrDb(reference: ArrayLike<number>, got: ArrayLike<number>): number | null {
  const sum = new SqnrAccumulator()
  sum.add(reference, got)
  return sum.db
}

/** Mean squared error of two arrays of equal length; 0 for empty ones. */
export function meanSquaredError(reference: ArrayLike<number>, got: ArrayLike<number>): number {
  const sum = new SqnrAccumulator()
  sum.add(reference, got)
  return sum.count === 0 ? 0 : sum.noise / sum.count
}

/** Cosine of the angle between two arrays; 1 when both are zero, 0 when one is. */
export function cosineSimilarity(reference: ArrayLike<number>, got: ArrayLike<number>): number {
  let dot = 0
  let a = 0
  let b = 0
  for (let i = 0; i < reference.length; i++) {
    const x = reference[i] ?? 0
    const y = got[i] ?? 0
    dot += x * y
    a += x * x
    b += y * y
  }
  if (a === 0 || b === 0) return a === b ? 1 : 0
  return dot / Math.sqrt(a * b)
}
