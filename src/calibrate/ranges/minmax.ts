// min-max: everything that was seen.
import { defineRange, type RangeSetting } from './range.ts'

/** The lowest and the highest value seen. Nothing is clipped; one outlier makes all steps coarse. */
export const minmax: RangeSetting = defineRange({
  name: 'minmax',
  needsHistogram: false,
  range: ({ min, max, margin }) => ({ low: min - (margin?.low ?? 0), high: max + (margin?.high ?? 0) }),
})
