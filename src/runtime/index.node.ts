// runtime on Node: ONNX Runtime in a worker thread, the graph it really runs, the machine.
// Imports onnxruntime-node lazily, inside the worker.
export * from './environment.node.ts'
export * from './node-runtime.node.ts'
export * from './optimized.node.ts'
export * from './profile.node.ts'
export * from './spill.node.ts'
export * from './web-process.node.ts'
