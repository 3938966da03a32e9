// k×1 · 1×k: spatial SVD as published (arXiv 1405.3866). Zero padding is exact because the first part has no bias.
import { defineSplit, horizontal, refuseAlways, type Split, vertical } from './split.ts'

export const verticalHorizontal: Split = defineSplit({
  name: 'vertical-horizontal',
  method: 'spatial-svd',
  refuse: (geometry) =>
    refuseAlways(geometry) ?? (Math.min(...geometry.kernel) > 1 ? undefined : 'its kernel has one dimension only'),
  positions: ({ kernel }) => ({ first: [kernel[0], 1], second: [1, kernel[1]] }),
  parts: (geometry, { input, output }) => ({
    first: vertical(geometry, [output[0], input[1]]),
    second: horizontal(geometry, output),
  }),
})
