// NaN and infinities among numbers.

export type NonFiniteKind = 'NaN' | 'infinite'

/** What is not finite in `length` values from `from` on; NaN when both kinds are there, undefined when all are finite. */
export function nonFiniteKind(
  values: ArrayLike<number>,
  from = 0,
  length: number = values.length,
): NonFiniteKind | undefined {
  let kind: NonFiniteKind | undefined
  for (let i = from; i < from + length; i++) {
    const value = values[i] ?? 0
    if (Number.isNaN(value)) return 'NaN'
    if (!Number.isFinite(value)) kind = 'infinite'
  }
  return kind
}
