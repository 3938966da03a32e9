// base: what every room shares — errors, run-time tensor values, progress events.
// Imports nothing.
export * from './errors.ts'
export * from './progress.ts'
export * from './tensor-value.ts'
