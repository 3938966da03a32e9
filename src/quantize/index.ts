// quantize: the integer grid — targets, placement, plan, Q/DQ insertion, fusion lint.
// Imports base, math, onnx, runtime and calibrate; never pipeline or cli.
export * from './correct/correct.ts'
export type { BiasCorrection } from './correct/correct-bias.ts'
export { type Corrections, correctionsIn, onRanges } from './correct/on-ranges.ts'
export { type LayerSlots, slotsOf } from './correct/slots.ts'
export type { VisitOptions } from './correct/visit-layers.ts'
export * from './correct-bias-analytic.ts'
export { tablesOf } from './embeddings.ts'
export { channelMoments, type Moments } from './expectation/moments.ts'
export { type GridFamily, gridFamilies, planOfFamilies } from './grid-families.ts'
export * from './insert.ts'
export * from './lint.ts'
export * from './options.ts'
export * from './placement/placement.ts'
export type { FloatCode, FloatReason } from './placement/reasons.ts'
export type { PlacedTensor } from './placement/tensors.ts'
export * from './plan.ts'
export { type PlanJson, planFromJson, planSchema, planToJson } from './plan-json.ts'
export * from './ranges-from-statistics.ts'
export { optimizeRounding, plainCodes } from './rounding/optimize.ts'
export { decoded, type RoundingProblem } from './rounding/problem.ts'
export * from './select.ts'
export { sharedCodesUnsigned } from './shared-codes.ts'
export { storeInt4, storeInt4Weights } from './store-int4.ts'
export { targetOf, targets } from './targets/index.ts'
export type { FusionBlocker, Role, SlowLayers, Target, TargetOp } from './targets/target.ts'
export { toDynamic } from './to-dynamic.ts'
export * from './weight-bits.ts'
export { type BlockedWeight, type BlockFormat, blockGrids } from './weight-only/block-grids.ts'
export { hqqGrids } from './weight-only/hqq.ts'
export {
  type BlockedForm,
  insertBlocked,
  type WeightForm,
  whyNotBlocked,
} from './weight-only/matmul-nbits.ts'
export { bytesOfBlocked } from './weight-only/pack-blocks.ts'
export { type BlockedLayer, plainBlocks, roundBlocked } from './weight-only/round-blocked.ts'
