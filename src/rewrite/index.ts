// rewrite: same function, better form. So far opset lifting; each rewrite is to be checked after it was applied.
// Imports base, onnx, math, runtime, metrics and calibrate; never quantize, compress or pipeline.
export { liftOpset } from './lift-opset.ts'
export * from './rewrite.ts'
