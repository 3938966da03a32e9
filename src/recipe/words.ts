// The words that stand for entries of registries. They lie here, and not beside what they name, so that `--help` and forms
// load no algorithm; a test holds them against the registries.

/** How activation ranges are chosen: `calibrate`. */
export const rangeMethods = ['minmax', 'percentile', 'mse', 'sqnr', 'entropy'] as const
export type RangeMethod = (typeof rangeMethods)[number]

/** The techniques of a quantisation, in the order in which they are applied: `pipeline`. */
export const techniqueNames = [
  'fold-dead-channels',
  'separate-outliers',
  'equalize',
  'absorb-bias',
  'keep-float',
  'correct-bias',
  'optimize-rounding',
  'tune-bias',
] as const
export type TechniqueName = (typeof techniqueNames)[number]

/** What a file is made to run on; the first is meant where nothing is said: `quantize`. */
export const targetNames = ['ort-cpu', 'ort-wasm', 'ort-webgpu', 'openvino', 'qnn', 'tensorrt'] as const
export type TargetName = (typeof targetNames)[number]

/** Types that values can have. */
export const activationTypes = ['uint8', 'int8', 'uint16', 'int16'] as const

/** The usual type of values where it is not the first of them: `quantize`. */
export const usualActivations: Partial<Record<TargetName, (typeof activationTypes)[number]>> = {
  qnn: 'uint16',
  tensorrt: 'int8',
}

/** Forms of AIMET's encodings: `quantize`. */
export const encodingForms = ['aimet', 'aimet-2'] as const

/** Forms of a model, by the words that transformers.js has for them: `pipeline`. */
export const variantDtypes = ['q8', 'q4', 'q4f16', 'fp16', 'int8', 'uint8', 'bnb4'] as const
export type VariantDtype = (typeof variantDtypes)[number]

/** Metrics that are there; top takes any k: `metrics`. */
export const metricNames = ['top1', 'top5', 'next-token', 'perplexity', 'token-error-rate'] as const

/** The passes of `rewrite`. */
export const passNames = [
  'inline-functions',
  'float32-inside',
  'name-nodes',
  'declare-outputs',
  'convert-opset',
  'fold-constants',
  'remove-identity',
  'explicit-pads',
  'explicit-axes',
  'scalar-bounds',
  'fold-batch-norm',
  'normalize-gemm',
  'pointwise-to-gemm',
  'activation-before-pool',
  'reduce-mean-to-pool',
  'store-once',
  'freeze-inputs',
  'fold-dead-channels',
  'shortcut-to-conv',
  'open-heads',
  'explicit-biases',
  'equalize',
  'equalize-classic',
  'absorb-bias',
] as const
