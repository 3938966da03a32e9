// runtime: running a model — sessions, observed shapes, latency. ONNX Runtime is behind the Runtime interface.
// Imports base, onnx, math and data; never calibrate, rewrite, quantize or anything above.
export * from './declare-types.ts'
export * from './feeds.ts'
export * from './join.ts'
export * from './latency.ts'
export * from './measure-min.ts'
export * from './observe.ts'
export * from './products.ts'
export * from './session.ts'
export * from './types.ts'
export * from './web-runtime.ts'
