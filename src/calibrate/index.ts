// calibrate: from what was seen of a tensor to the range of its grid. So far the range methods; the pass comes next.
// Imports base, math, onnx and runtime; never rewrite, quantize or anything above.
export * from './ranges/index.ts'
