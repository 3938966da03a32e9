// quantize: the integer grid — targets, placement, plan, Q/DQ insertion, fusion lint.
// Imports base, math, onnx, runtime and calibrate; never pipeline or cli.
export * from './correct/correct.ts'
export type { BiasCorrection } from './correct/correct-bias.ts'
export * from './insert.ts'
export * from './lint.ts'
export * from './options.ts'
export * from './placement.ts'
export * from './plan.ts'
export { optimizeRounding, type RoundingProblem } from './rounding/optimize.ts'
export * from './select.ts'
export { ortCpu } from './targets/ort-cpu.ts'
export type { Target } from './targets/target.ts'
export * from './weight-bits.ts'
