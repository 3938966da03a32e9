// metrics: scoring a model, and two models on the same samples.
// Imports base, math, data and runtime; never calibrate or anything above.
export * from './compare.ts'
