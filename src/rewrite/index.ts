// rewrite: same function, better form — node names, opset lifting, constant and BatchNorm folding.
// Imports base, onnx, math, runtime, metrics and calibrate; never quantize, compress or pipeline.
export { foldBatchNorm } from './fold-batch-norm.ts'
export { foldConstants } from './fold-constants.ts'
export { liftOpset } from './lift-opset.ts'
export { nameNodes } from './name-nodes.ts'
export * from './rewrite.ts'
