// The place where a quantisation runs.
import type { Spill } from '../../calibrate/index.ts'
import type { Metric } from '../../metrics/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { EncodedModel, LayerKernel } from '../../quantize/index.ts'
import type { Scoring } from '../samples.ts'
import type { Clock } from './clock.ts'
import type { WrittenEncodings } from './run.ts'

/** What a place where quantisation runs can do: a command line has a disk, a page has none. */
export interface QuantizeHost {
  /** Room on disk for values that do not fit in memory. */
  readonly withSpill?: <T>(work: (spill: Spill | undefined) => Promise<T>) => Promise<T>
  /** Bytes of memory that are free, where that is known. */
  readonly freeMemory?: () => number
  /** Finds what runs each layer, in the graph that ONNX Runtime really runs; absent where that cannot be read. Large models come without bytes. */
  readonly lint?: (model: Model, bytes: Uint8Array | undefined) => Promise<readonly LayerKernel[]>
  /** Makes what is made on demand, where there is room for it that is not memory. */
  readonly settle?: (model: Model) => Promise<Model>
  /** Samples to score, at most `limit`, when `used` of the calibration set are taken. */
  readonly scoring: (used: readonly number[], limit: number) => Promise<Scoring>
  readonly metric?: Metric
  /** Puts the grids of the model beside it, where the recipe asks for that. */
  readonly writeEncodings?: (encoded: EncodedModel) => Promise<WrittenEncodings>
  /** What measures latency: of the target where it can be had here, else of something like it; absent where times say nothing. */
  readonly clock?: Clock
  /** Puts the model where `output` says, and returns its size in bytes. */
  readonly write: (model: Model, bytes: Uint8Array | undefined) => Promise<number>
}
