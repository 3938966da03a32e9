// onnx on Node: models and other files on disk. Everything that needs a file system is behind this entry point.
// Imports only base and the rest of this module.
export * from './files.node.ts'
export { withLinkedModel } from './linked-model.node.ts'
export { type Settle, withScratch } from './scratch.node.ts'
export * from './temporaries.node.ts'
export { liesInLargeFiles, WeightStore } from './weight-store.node.ts'
