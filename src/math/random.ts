// Seeded random numbers. Each use derives its own stream from (seed, purpose), so a new step does not change others.

/** A stream of random numbers (sfc32). */
export interface Random {
  /** Uniform in [0, 1). */
  readonly next: () => number
  readonly uniform: (low: number, high: number) => number
  /** Whole number from low to high, both included. */
  readonly integer: (low: number, high: number) => number
  /** Standard normal. */
  readonly normal: () => number
  /** A shuffled copy. */
  readonly shuffle: <T>(items: readonly T[]) => T[]
}

/** The stream for a seed and a purpose such as "calibration samples". */
export function randomStream(seed: number, purpose: string): Random {
  let a = seed | 0
  let b = 0x9e3779b9
  let c = 0x243f6a88
  let d = 1
  const step = (): number => {
    const t = (a + b + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    return t >>> 0
  }
  for (const character of purpose) {
    c = (c + Math.imul(character.codePointAt(0) ?? 0, 0x85ebca6b)) | 0
    step()
  }
  for (let i = 0; i < 15; i++) step()
  const next = () => step() / 2 ** 32
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    integer,
    uniform: (low, high) => low + next() * (high - low),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (items) => {
      const copy = [...items]
      for (let i = copy.length - 1; i > 0; i--) {
        const j = integer(0, i)
        const other = copy[j]!
        copy[j] = copy[i]!
        copy[i] = other
      }
      return copy
    },
  }
}
