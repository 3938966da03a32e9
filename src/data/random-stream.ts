// Seeded random numbers for made-up inputs: the same seed and sample give the same values everywhere.

/** Uniform numbers in [0, 1) (sfc32), a stream of its own for each seed and number. */
export function randomStream(seed: number, number: number): () => number {
  let a = seed | 0
  let b = number | 0
  let c = 0x9e3779b9
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return (sum >>> 0) / 2 ** 32
  }
  for (let warm = 0; warm < 12; warm++) next()
  return next
}

/** A standard normal number from two uniform ones (Box-Muller). */
export function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}
