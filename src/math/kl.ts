// Kullback–Leibler divergence between two classifiers' answers.

/** Do the values form a distribution already (all ≥ 0, sum 1)? */
export function isDistribution(values: ArrayLike<number>, from = 0, length: number = values.length): boolean {
  let sum = 0
  for (let i = 0; i < length; i++) {
    const value = values[from + i] ?? 0
    if (!(value >= 0)) return false
    sum += value
  }
  return Math.abs(sum - 1) < 1e-3
}

/** Σ p·ln(p/q) in nats of `length` values from `from` on: of softmax(logits), or of the values when they sum to 1. */
export function klDivergence(
  reference: ArrayLike<number>,
  got: ArrayLike<number>,
  from = 0,
  length: number = reference.length,
): number {
  const plain = isDistribution(reference, from, length)
  const logP = plain
    ? (i: number) => Math.log(Math.max(reference[from + i] ?? 0, 1e-12))
    : logSoftmax(reference, from, length)
  const logQ = plain ? (i: number) => Math.log(Math.max(got[from + i] ?? 0, 1e-12)) : logSoftmax(got, from, length)
  let sum = 0
  for (let i = 0; i < length; i++) sum += Math.exp(logP(i)) * (logP(i) - logQ(i))
  return Math.max(0, sum)
}

/** ln of the probability of value `index`: of softmax(logits), or of the values when they sum to 1. */
export function logProbability(values: ArrayLike<number>, index: number, from: number, length: number): number {
  if (isDistribution(values, from, length)) return Math.log(Math.max(values[from + index] ?? 0, 1e-12))
  return logSoftmax(values, from, length)(index)
}

/** softmax of `length` values from `from` on. */
export function softmax(values: ArrayLike<number>, from = 0, length: number = values.length): Float64Array {
  let highest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < length; i++) highest = Math.max(highest, values[from + i] ?? 0)
  const weights = Float64Array.from({ length }, (_, i) => Math.exp((values[from + i] ?? 0) - highest))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => weight / sum)
}

function logSoftmax(values: ArrayLike<number>, from: number, length: number): (index: number) => number {
  let highest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < length; i++) highest = Math.max(highest, values[from + i] ?? 0)
  let sum = 0
  for (let i = 0; i < length; i++) sum += Math.exp((values[from + i] ?? 0) - highest)
  const shift = highest + Math.log(sum)
  return (i) => (values[from + i] ?? 0) - shift
}
