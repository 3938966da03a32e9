// math: numbers — the integer grid, histograms, SQNR, KL, intervals, the normal distribution, linear algebra, random numbers.
// Imports only base; knows nothing of models or files.
export * from './codes.ts'
export * from './float16.ts'
export * from './grid.ts'
export * from './histogram.ts'
export * from './interval.ts'
export * from './kl.ts'
export * from './linalg/index.ts'
export * from './normal.ts'
export * from './order.ts'
export * from './random.ts'
export * from './round.ts'
export * from './sqnr.ts'
