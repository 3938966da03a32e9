// pipeline: whole commands as one call each — recipes, verdicts, inspection; what touches files is in index.node.ts.
// Imports every lower module; never cli, server or jobs.

export * from '../recipe/index.ts'
export * from './channel-rows.ts'
export * from './command-line.ts'
export { comparedConstants } from './compared-constants.ts'
export type { Budget, Measure } from './compress/budget.ts'
export { asPlanned } from './compress/budgets/as-planned.ts'
export { bytesBudget } from './compress/budgets/bytes.ts'
export { latencyBudget } from './compress/budgets/latency.ts'
export { macsBudget } from './compress/budgets/macs.ts'
export { maxDropBudget } from './compress/budgets/max-drop.ts'
export { type CompressOptions, type CompressResult, compress } from './compress/compress.ts'
export {
  type CompressEvents,
  type CompressedModel,
  type CompressOutcome,
  compressModel,
  type MeasuredModel,
} from './compress/compress-model.ts'
export type { PointMeasures } from './compress/measure.ts'
export type { Built, Candidates, Method } from './compress/method.ts'
export { type ManualOptions, manualMethod } from './compress/methods/manual.ts'
export { pruningMethod } from './compress/methods/pruning.ts'
export { type SplitOptions, splitMethod } from './compress/methods/splits.ts'
export type { CompressModelOptions } from './compress/options.ts'
export type { Plan, PlansAt, Refusal } from './compress/plan.ts'
export type { CompressHost, CompressSamples, Machine, Problem, RunMemory, Share } from './compress/problem.ts'
export { tooFar } from './compress/refusal.ts'
export * from './inspect.ts'
export * from './model-view.ts'
export * from './node-times.ts'
export * from './quantize/quantize-model.ts'
export type { QuantizeOutcome, QuantizeRun } from './quantize/run.ts'
export { storedShapes } from './quantize/stored-source.ts'
export { parseStatistics, type StoredStatistics } from './quantize/stored-statistics.ts'
export { layerCounts, quantizeJson, reportOfQuantization } from './quantize-report.ts'
export type * from './run-summary.ts'
export * from './samples.ts'
export { similarityJson, similarityWords } from './similarity.ts'
export * from './verdict.ts'
