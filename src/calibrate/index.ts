// calibrate: from what was seen of a tensor to the range of its grid. Observing activations in one pass, choosing ranges.
// Imports base, math, onnx and runtime; never rewrite, quantize or anything above.
export * from './channel-statistics.ts'
export { nonFiniteValues } from './culprit.ts'
export * from './geometry.ts'
export * from './layer-sqnr.ts'
export type { Spill } from './live-values.ts'
export * from './moment-feed.ts'
export * from './moments.ts'
export { calibrate } from './pass.ts'
export * from './patches.ts'
export * from './ranges/index.ts'
export * from './walk.ts'
export type { RangeRequest } from './watcher.ts'
