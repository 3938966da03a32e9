// A constant that broadcasts along the channels, written out with one entry a channel.

/**
 * Repeats a constant along `axis` of its shape, where it has size 1 or no axis at all: a negative axis counts the axes
 * missing in front. A constant that already has `count` entries there is copied as it is.
 */
export function perChannel(
  values: Float64Array,
  shape: readonly number[],
  axis: number,
  count: number,
): { shape: number[]; values: Float64Array } {
  const full = [...Array<number>(Math.max(0, -axis)).fill(1), ...shape]
  const at = Math.max(axis, 0)
  if (full[at] === count) return { shape: full, values: values.slice() }
  const inner = full.slice(at + 1).reduce((product, dim) => product * dim, 1)
  const outer = full.slice(0, at).reduce((product, dim) => product * dim, 1)
  const repeated = new Float64Array(outer * count * inner)
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < count; c++)
      for (let i = 0; i < inner; i++) repeated[(o * count + c) * inner + i] = values[o * inner + i] ?? 0
  return { shape: full.with(at, count), values: repeated }
}
