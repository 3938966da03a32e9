// Isotonic regression: the nearest non-decreasing sequence, by pooling adjacent violators.

/**
 * The non-decreasing values nearest to `values` in weighted least squares. Scores of compressed layers are noisy; a milder
 * compression cannot really be worse.
 */
export function monotoneFit(values: readonly number[], weights: readonly number[] = values.map(() => 1)): number[] {
  const blocks: { sum: number; weight: number; count: number }[] = []
  for (const [index, value] of values.entries()) {
    const weight = weights[index] ?? 1
    let block = { sum: value * weight, weight, count: 1 }
    for (;;) {
      const before = blocks.at(-1)
      if (!before || before.sum / before.weight <= block.sum / block.weight) break
      blocks.pop()
      block = {
        sum: before.sum + block.sum,
        weight: before.weight + block.weight,
        count: before.count + block.count,
      }
    }
    blocks.push(block)
  }
  return blocks.flatMap(({ sum, weight, count }) => Array.from({ length: count }, () => sum / weight))
}
