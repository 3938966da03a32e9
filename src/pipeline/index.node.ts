// pipeline on Node: quantise, rewrite, evaluate and compare files by a recipe.
// Imports every lower module; never cli, server or jobs.

export type { LayerLatency } from './compress/layer-latency.ts'
export * from './compress.node.ts'
export * from './compress-json.node.ts'
export * from './compress-report.node.ts'
export * from './finetune.node.ts'
export { finetuneJson, finetuneReport } from './finetune-report.node.ts'
export * from './output.node.ts'
export type { QuantizeRun } from './quantize/run.ts'
export * from './quantize.node.ts'
export { quantizeReport } from './quantize-report.node.ts'
export { layerCounts, quantizeJson } from './quantize-report.ts'
export * from './run-folder.node.ts'
export * from './run-store.node.ts'
export * from './samples.node.ts'
export * from './samples.ts'
export * from './score.node.ts'
