// base: what every room shares — errors, run-time tensor values, progress events, functions that every engine computes alike.
// Imports no other room.
export * from './errors.ts'
export * from './nearest-word.ts'
export * as portable from './portable.ts'
export * from './progress.ts'
export * from './tensor-value.ts'
