// math: numbers — the integer grid, SQNR, KL, intervals, order statistics, seeded random numbers.
// Imports only base; knows nothing of models or files.
export * from './grid.ts'
export * from './interval.ts'
export * from './kl.ts'
export * from './order.ts'
export * from './random.ts'
export * from './round.ts'
export * from './sqnr.ts'
