// math: numbers — the integer grid, histograms, SQNR, KL, intervals, the normal distribution, linear algebra, random numbers.
// Imports only base; knows nothing of models or files.
export {
  float16Max,
  float16ToFloat32,
  float32ToFloat16,
  fromFloat16Bits,
  type Random,
  randomStream,
  toFloat16Bits,
  withoutFloat16,
} from '../base/index.ts'
export * from './codes.ts'
export * from './exact-sums.ts'
export * from './finite.ts'
export * from './gauss-hermite.ts'
export * from './grid.ts'
export * from './histogram.ts'
export * from './interval.ts'
export * from './kl.ts'
export * from './lbfgs.ts'
export * from './linalg/index.ts'
export * from './normal.ts'
export * from './order.ts'
export * from './round.ts'
export * from './sqnr.ts'
