// base: what every module shares — errors, run-time tensor values, float16, progress events, random numbers, functions that every
// engine computes alike.
// Imports no other module.
export * from './errors.ts'
export * from './float16.ts'
export * from './nearest-word.ts'
export * as portable from './portable.ts'
export * from './progress.ts'
export * from './random.ts'
export * from './tensor-value.ts'
