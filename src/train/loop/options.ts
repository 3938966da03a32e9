// What a training is told, and what comes of it.
import type { Watch } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Optimizer } from '../optimizers/optimizer.ts'
import type { Schedule } from '../optimizers/schedule.ts'
import type { Augmentation } from './augment.ts'
import type { Arrays, EpochRow, TrainState } from './state.ts'

export interface TrainOptions extends Watch {
  readonly epochs: number
  /** Samples a step; a graph of a smaller batch runs several times and its gradients are averaged. */
  readonly batch: number
  readonly rate: number
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  /** Weight decay of weights; biases, normalisations and scales have none. */
  readonly decay?: number
  /** Learning rate of an array, as a factor. */
  readonly rateOf?: (name: string) => number
  /** Longest length of all gradients together; longer ones are scaled down. */
  readonly clipNorm?: number | undefined
  readonly seed: number
  readonly augmentation?: Augmentation | undefined
  /** Epochs without a better score after which it stops. */
  readonly patience?: number | undefined
  readonly teacher?: Model | undefined
  /** Classes of the model, to check labels. */
  readonly classes: number
  /** Scores the current values on held-back samples; higher is better, NaN never wins. */
  readonly score?: ((values: Arrays) => Promise<number>) | undefined
  /** How far two scores may lie apart by chance, near a score: of epochs that close to the top one the last wins. */
  readonly tolerance?: ((score: number) => number) | undefined
  /** Called with the state after each epoch, and when the training is interrupted. */
  readonly checkpoint?: ((state: TrainState) => Promise<void>) | undefined
  readonly resume?: TrainState | undefined
  /** Changes the values after a step: keeps scales inside their bounds. */
  readonly afterStep?: ((values: Map<string, Float32Array>) => void) | undefined
}

export interface TrainResult {
  /** The best values by score, else the last ones. */
  readonly values: Arrays
  readonly history: readonly EpochRow[]
  readonly losses: readonly { readonly step: number; readonly loss: number }[]
  readonly best?: { readonly epoch: number; readonly score: number }
  readonly steps: number
  /** Median milliseconds of a step. */
  readonly stepMs: number
  readonly notes: readonly string[]
}
