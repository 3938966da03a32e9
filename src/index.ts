// onnxpress on Node: whole commands as functions, and what they take and give. The modules have entry points of their own.
export * from './base/index.ts'
export { readModelFile, writeModelFile } from './onnx/index.node.ts'
export * from './pipeline/index.node.ts'
export * from './pipeline/index.ts'
export { openRuntime } from './runtime/index.node.ts'
