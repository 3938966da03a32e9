// Sums that do not depend on the order or the grouping of what is added: no bit is dropped before a sum is read.

/**
 * Many sums side by side. Each is kept as numbers that together are exactly what was added, and is rounded once, when it is read;
 * partial sums that merge give what one pass gives, bit for bit. What is not finite makes its sum so.
 */
export class ExactSums {
  readonly length: number
  /** levels[k][i]: of sum i, what the levels before k do not hold. */
  readonly #levels: Float64Array[]

  constructor(length: number) {
    this.length = length
    this.#levels = [new Float64Array(length)]
  }

  /** Adds a number to sum `index`. */
  add(index: number, value: number): void {
    let rest = value
    for (let k = 0; rest !== 0; k++) {
      const level = this.#level(k)
      const old = level[index] ?? 0
      const sum = old + rest
      level[index] = sum
      if (!Number.isFinite(sum)) return
      // What rounding took off, exactly (Knuth's two-sum).
      const part = sum - old
      rest = old - (sum - part) + (rest - part)
    }
  }

  /** Adds everything that another one of the same length has. */
  merge(other: ExactSums): void {
    for (const level of other.#levels) for (let i = 0; i < this.length; i++) this.add(i, level[i] ?? 0)
  }

  /** Sum `index`, rounded once. */
  value(index: number): number {
    return rounded(this.parts(index))
  }

  /** The numbers that sum `index` is made of; added to another one in any order they give the same sum. */
  parts(index: number): number[] {
    return this.#levels.map((level) => level[index] ?? 0).filter((part) => part !== 0)
  }

  #level(k: number): Float64Array {
    const known = this.#levels[k]
    if (known) return known
    const level = new Float64Array(this.length)
    this.#levels.push(level)
    return level
  }
}

/** The float64 next to the exact sum (Shewchuk 1997, as Python's math.fsum does it). */
function rounded(numbers: readonly number[]): number {
  const strange = numbers.find((number) => !Number.isFinite(number))
  if (strange !== undefined) return strange
  const parts = withoutOverlap(numbers)
  let n = parts.length - 1
  let [sum, low] = [parts[n] ?? 0, 0]
  while (n > 0 && low === 0) {
    const next = parts[--n] ?? 0
    const before = sum
    sum = before + next
    low = next - (sum - before)
  }
  // Half way between two numbers the parts that are left decide, not the even one.
  if (n > 0 && Math.sign(low) === Math.sign(parts[n - 1] ?? 0)) {
    const doubled = 2 * low
    const other = sum + doubled
    if (other - sum === doubled) sum = other
  }
  return sum
}

/** The same sum as numbers of which none overlaps another, the smallest first. */
function withoutOverlap(numbers: readonly number[]): number[] {
  const parts: number[] = []
  for (const number of numbers) {
    let [large, kept] = [number, 0]
    for (const part of parts) {
      const [a, b] = Math.abs(large) < Math.abs(part) ? [part, large] : [large, part]
      large = a + b
      const low = b - (large - a)
      if (low !== 0) parts[kept++] = low
    }
    parts.length = kept
    parts.push(large)
  }
  return parts
}
