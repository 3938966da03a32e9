// k×k to the rank, then 1×1: for 1×1 Conv, Gemm and MatMul this is reduced-rank regression, optimal in closed form.
import { defineSplit, pointwise, refuseAlways, type Split, wholePart } from './split.ts'

export const outputSide: Split = defineSplit({
  name: 'output-side',
  method: 'weight-svd',
  refuse: refuseAlways,
  positions: ({ kernel }) => ({ first: kernel, second: [1, 1] }),
  parts: (geometry, sizes) => ({ first: wholePart(geometry, sizes), second: pointwise(sizes.output) }),
})
