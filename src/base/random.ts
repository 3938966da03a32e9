// Seeded random numbers. Each use derives its own stream from (seed, purpose), so a new step does not change others.

/** A stream of random numbers (sfc32). */
export interface Random {
  /** Uniform in [0, 1). */
  readonly next: () => number
  readonly uniform: (low: number, high: number) => number
  /** Integer from low to high, both included. */
  readonly integer: (low: number, high: number) => number
  /** Standard normal. */
  readonly normal: () => number
  /** A shuffled copy. */
  readonly shuffle: <T>(items: readonly T[]) => T[]
}

/**
 * The stream for a seed and what it is for: a purpose in words, such as "calibration samples", or the number of a sample.
 * Every purpose, and every number, has a stream of its own.
 */
export function randomStream(seed: number, purpose: string | number): Random {
  const generator = typeof purpose === 'string' ? forWords(seed, purpose) : forNumber(seed, purpose)
  const next = () => generator.step() / 2 ** 32
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

function forWords(seed: number, purpose: string): Sfc32 {
  const generator = new Sfc32(seed, 0x9e3779b9, 0x243f6a88)
  for (const character of purpose) {
    generator.absorb(Math.imul(character.codePointAt(0) ?? 0, 0x85ebca6b))
    generator.step()
  }
  return generator.warmed(15)
}

function forNumber(seed: number, number: number): Sfc32 {
  return new Sfc32(seed, number, 0x9e3779b9).warmed(12)
}

/** The small fast counter of Chris Doty-Humphrey's PractRand, 128 bits of state. */
class Sfc32 {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(a: number, b: number, c: number) {
    this.#a = a | 0
    this.#b = b | 0
    this.#c = c | 0
  }

  /** An integer from 0 to 2^32 − 1. */
  step(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  absorb(word: number): void {
    this.#c = (this.#c + word) | 0
  }

  warmed(steps: number): this {
    for (let i = 0; i < steps; i++) this.step()
    return this
  }
}
