// Sums over the runs of a step, means that follow the batches, the best of the scores.

/** Adds a part, times a factor, to the sum of that name. */
export function addTo(sums: Map<string, Float32Array>, name: string, part: unknown, factor: number): void {
  if (!(part instanceof Float32Array)) return
  const sum = sums.get(name)
  if (!sum && factor === 1) sums.set(name, part)
  else if (!sum)
    sums.set(
      name,
      part.map((value) => value * factor),
    )
  else for (let i = 0; i < sum.length; i++) sum[i]! += (part[i] ?? 0) * factor
}

/** running ← momentum · running + (1 − momentum) · batch. */
export function follow(running: Float32Array | undefined, batch: Float32Array | undefined, momentum: number): void {
  if (!running || !batch) return
  for (let i = 0; i < running.length; i++) running[i] = momentum * (running[i] ?? 0) + (1 - momentum) * (batch[i] ?? 0)
}

/** The highest score of all; NaN is none. */
export function topOf(rows: readonly { readonly score?: number }[]): number {
  return rows.reduce((top, { score }) => (score !== undefined && score > top ? score : top), Number.NEGATIVE_INFINITY)
}
