// rewrite: same function, better form — folding, normalising, opset lifting; each checked after it was applied.
// Imports base, onnx, math, runtime, metrics and calibrate; never quantize, compress or pipeline.
export * from './rewrite.ts'
