// rewrite: same function, better form — folding, normalising, opset lifting; each checked after it was applied.
// Imports base, onnx, math, data, runtime, metrics and calibrate; never quantize, compress or pipeline.

export * from './absorb-bias.ts'
export * from './apply.ts'
export { channelRequests } from './channel-requests.ts'
<<<<<<< HEAD
export { computedConstants } from './constants/computed.ts'
=======
export { closeTied, relativesOf, tiedTensors } from './constants/tied.ts'
>>>>>>> main
export { capsWorthFreeing, type Equalized, type EqualizeOptions, equalize, HOLD_BOUND_DB } from './equalize.ts'
export * from './equalize-classic.ts'
export { explicitBiases } from './explicit-biases.ts'
export { doublesOf, floatTensor } from './float-tensor.ts'
export { float32Inside, halfTypesOf, inFloat32, withTypesOf } from './float32-inside.ts'
export { foldBatchNorm } from './fold-batch-norm.ts'
export { foldConstants } from './fold-constants.ts'
export { foldDeadChannels, foldProvedChannels } from './fold-dead-channels.ts'
export { liftOpset, liftOpsetTo } from './lift-opset.ts'
export { nameNodes } from './name-nodes.ts'
export { optionalPasses, passes, passNamed, rewritePasses, workingPasses } from './passes.ts'
export { type Observed, observeModel, randomLike } from './prove.ts'
export * from './rewrite.ts'
export { shortcutToConv } from './shortcut-to-conv.ts'
export { storeHalf } from './store-half.ts'
export { isTransposed, storeOnce } from './store-once.ts'
