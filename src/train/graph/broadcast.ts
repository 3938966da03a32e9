// Broadcasting and undoing it, once for all rules.

/** The axes of a broadcast result over which to sum, so that what is left has the elements of shape `dims`. */
export function reducedTo(result: readonly number[], dims: readonly number[]): number[] {
  const lead = result.length - dims.length
  return result.flatMap((size, axis) => (axis < lead || (dims[axis - lead] === 1 && size !== 1) ? [axis] : []))
}

/** The shape that two shapes broadcast to. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1]
    return x === 1 ? y : x
  })
}
