// 1×1 to the rank, then k×k: the classic weight SVD (arXiv 1404.0736).
import { defineSplit, pointwise, refuseAlways, type Split, wholePart } from './split.ts'

export const inputSide: Split = defineSplit({
  name: 'input-side',
  method: 'weight-svd',
  // A 1×1 layer is the same on both sides; the output side, which strides first, is never dearer.
  refuse: (geometry) =>
    refuseAlways(geometry) ??
    (Math.max(...geometry.kernel) > 1 ? undefined : 'a 1×1 kernel has no input side of its own'),
  positions: ({ kernel }) => ({ first: [1, 1], second: kernel }),
  parts: (geometry, sizes) => ({ first: pointwise(sizes.input), second: wholePart(geometry, sizes) }),
})
