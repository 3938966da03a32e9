// pipeline: whole commands as one call each — recipes, verdicts, inspection; what touches files is in index.node.ts.
// Imports every lower room; never cli, server or jobs.
export * from './channel-rows.ts'
export * from './command-line.ts'
export { type CompressOptions, type CompressResult, compress } from './compress/compress-model.ts'
export type { FinetuneKeys } from './finetune-recipe.ts'
export * from './inspect.ts'
export * from './quantize/quantize-model.ts'
export type { QuantizeOutcome, QuantizeRun } from './quantize/run.ts'
export { parseStatistics, type StoredStatistics } from './quantize/stored-statistics.ts'
export { layerCounts, quantizeJson, reportOfQuantization } from './quantize-report.ts'
export * from './recipe.ts'
export * from './samples.ts'
export * from './verdict.ts'
