// Undoing broadcasting, once for all rules.

/** The axes of a broadcast result over which to sum, so that what is left has the elements of shape `dims`. */
export function reducedTo(result: readonly number[], dims: readonly number[]): number[] {
  const lead = result.length - dims.length
  return result.flatMap((size, axis) => (axis < lead || (dims[axis - lead] === 1 && size !== 1) ? [axis] : []))
}
