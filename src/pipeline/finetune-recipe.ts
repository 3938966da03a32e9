// What the recipe of `finetune` says; its schema is in recipe.ts.

/** What a fine-tuning is told beside model and samples. */
export interface FinetuneKeys {
  readonly command: 'finetune'
  /** Samples to train on, evenly spaced; default: all. */
  readonly samples?: number
  /** Default: 3, and more of a small set, up to 100, until there are 600 steps. */
  readonly epochs?: number
  /** Learning rate. Without it Adam's steps are a share of each tensor's size, at first: 0.003, twice that with a teacher for moved samples. */
  readonly lr?: number
  /** Samples a step. */
  readonly batch: number
  /** Default: cross-entropy with labels, else distill. */
  readonly loss?: 'cross-entropy' | 'distill' | 'mse'
  /** An ONNX file with a loss of the user's own. */
  readonly lossGraph?: string
  /** Inner tensors that are kept near the teacher's. */
  readonly match: readonly string[]
  /** Weight of their relative square distance in the loss. */
  readonly matchWeight: number
  /** The float model to learn from; default: the model itself, before training. */
  readonly teacher?: string
  /** Share of the labels' loss; the rest is distillation. */
  readonly alpha?: number
  /** Default: 4 beside a teacher of its own, which shows how it ranks the wrong classes; else 1. */
  readonly temperature?: number
  readonly smoothing: number
  readonly train: 'biases' | 'weights' | 'all' | 'last'
  readonly only: readonly string[]
  /** Default: frozen, and training from scratch. */
  readonly batchNorm?: 'frozen' | 'training'
  readonly fromScratch: boolean
  readonly optimizer: 'adam' | 'adamw' | 'muon' | 'sgd' | 'momentum' | 'nesterov'
  readonly schedule: 'constant' | 'cosine' | 'step'
  /** Steps with a rising learning rate; default: a twentieth of all, and none from scratch. */
  readonly warmUp?: number
  readonly decay: number
  readonly clipNorm?: number
  /** Mirror pictures; move them by up to `shift` pixels. */
  readonly flip: boolean
  readonly shift: number
  /** Blend samples with each other; only for losses without labels. */
  readonly mix: boolean
  /** Samples held back to choose the best epoch; default: a tenth, at most 1000, and none of fewer than 2000. */
  readonly holdBack?: number
  readonly patience?: number
  /** Memory that may be used, in MB; default: what the machine has free. */
  readonly memory?: number
  readonly qat: boolean
  readonly weights: 'per-channel' | 'per-tensor'
  readonly weightBits: number
  readonly activationBits: 4 | 8 | 16
  /** int4 halves weights of at most 4 bits; their layers run in float. */
  readonly weightStorage: 'int8' | 'int4'
  readonly keep8bit: readonly string[]
  /** Name of the target of a quantised result: what the file must run on. */
  readonly target: string
  readonly exclude: readonly string[]
  readonly calibrationSamples: number
  readonly resume: boolean
  readonly output?: string
}
