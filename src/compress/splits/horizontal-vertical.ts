// 1×k · k×1: the other order of the spatial SVD; which one fits a layer better is about half and half.
import { defineSplit, horizontal, type Split, vertical } from './split.ts'
import { verticalHorizontal } from './vertical-horizontal.ts'

export const horizontalVertical: Split = defineSplit({
  name: 'horizontal-vertical',
  method: 'spatial-svd',
  refuse: verticalHorizontal.refuse,
  positions: ({ kernel }) => ({ first: [1, kernel[1]], second: [kernel[0], 1] }),
  parts: (geometry, { input, output }) => ({
    first: horizontal(geometry, [input[0], output[1]]),
    second: vertical(geometry, output),
  }),
})
