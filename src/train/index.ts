// train: back-propagation on ONNX files — gradient rules, training graphs, losses, optimisers, the loop, rounding.
// Imports base, math, onnx, data, runtime, metrics, calibrate, rewrite and quantize; never pipeline or cli.
export { addGradients } from './graph/backward.ts'
export { Emitter } from './graph/emitter.ts'
export { defineGradient, type GradientRule, type Site } from './graph/rule.ts'
export * from './loss/logits.ts'
export * from './loss/terms.ts'
export * from './loss/user-loss.ts'
export * from './parameters.ts'
export * from './prepare.ts'
export { gradientRuleOf, gradientRules } from './rules/index.ts'
export * from './training-graph.ts'
