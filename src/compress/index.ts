// compress: fewer multiplications — low-rank splits, channel pruning, the refit that makes up for them, cost models.
// Imports base, math, onnx, search, runtime and calibrate; never quantize, pipeline or anything above.
export * from './bilinear.ts'
export * from './candidates.ts'
export * from './cost.ts'
export * from './edit-layer.ts'
export * from './gather.ts'
export * from './kernel.ts'
export * from './layers.ts'
export * from './problem.ts'
export * from './refit.ts'
export * from './split-model.ts'
export * from './splits/index.ts'
export * from './target.ts'
