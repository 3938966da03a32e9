// Equal ranges in closed form, one channel at a time (arXiv 1906.04721, section 4.1).

/** A channel that one layer makes with range r1 and one reads with r2: both get √(r1·r2). 1 where a range is 0. */
export function pairFactor(r1: number, r2: number): number {
  return valid(Math.sqrt(r1 / r2)) ?? 1
}

/**
 * Around a depthwise layer of range r2, between ranges r1 and r3: the factors before and behind it that give all three
 * ∛(r1·r2·r3). Both are 1 where a range is 0.
 */
export function tripletFactors(r1: number, r2: number, r3: number): readonly [number, number] {
  const equal = Math.cbrt(r1 * r2 * r3)
  const [before, behind] = [valid(r1 / equal), valid(equal / r3)]
  return before === undefined || behind === undefined ? [1, 1] : [before, behind]
}

function valid(factor: number): number | undefined {
  return factor > 0 && Number.isFinite(factor) ? factor : undefined
}
