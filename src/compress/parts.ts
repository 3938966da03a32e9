// Work that holds large matrices, cut into parts that fit in memory.

/** Bytes of matrices that are held at a time. */
const MEMORY = 512e6

/** The items in order, in parts of which each holds at most 512 MB, or one item. */
export function inParts<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const parts: T[][] = []
  let left = 0
  for (const item of items) {
    const bytes = bytesOf(item)
    if (parts.length === 0 || bytes > left) {
      parts.push([])
      left = MEMORY
    }
    left -= bytes
    parts.at(-1)?.push(item)
  }
  return parts
}

/** Bytes of the covariances of one layer's patches, one a group; none for patches that are too long to have one. */
export function covarianceBytes(size: number, groups: number, longest: number): number {
  return size <= longest ? 8 * size * size * groups : 0
}
