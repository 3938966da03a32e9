// What a mode of quantisation is given, and what it gives back.
import type { Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import type { Bounds, Model, Shapes, Statistics } from '../../onnx/index.ts'
import type { Encodings, Plan, QuantizeOptions } from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import type { TechniqueRow } from '../../report/index.ts'
import type { AppliedRewrite, Outliers } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import type { Clock } from './clock.ts'
import type { SpeedChoice } from './prefer-speed.ts'
import type { SharedWork } from './shared-work.ts'
import type { StoredStatistics } from './stored-statistics.ts'

/** A quantised model and how it came about. */
export interface Produced {
  readonly quantized: Model
  /** The same with inputs and outputs of another type: what is written, while `quantized` is compared. */
  readonly asWritten?: Model
  readonly floatModel: Model
  readonly shapes: Shapes
  readonly plan: Plan | undefined
  readonly float: readonly { readonly name: string; readonly reason: string }[]
  /** All of them, those of the float model first. */
  readonly rewrites: readonly AppliedRewrite[]
  readonly ladder?: readonly TechniqueRow[]
  readonly originalFolded?: Model
  readonly naive?: { readonly float: Model; readonly quantized: Model; readonly shapes: Shapes }
  readonly meanShift?: ReadonlyMap<string, { readonly before: number; readonly after: number }>
  /** What the samples taught. */
  readonly statistics?: StoredStatistics
  /** What the channels of values do that techniques looked at, before any of them changed the model. */
  readonly inputChannels?: Statistics
  readonly outliers?: Outliers
  /** What was chosen by time, with --prefer speed. */
  readonly speed?: SpeedChoice
  /** What was raised for a promise: layers that got 8 bits, and values that stay float. */
  readonly raised?: { readonly bits: readonly string[]; readonly values: readonly string[] }
  /**
   * The same with more bits where they matter, so many that SQNR gains that much (in dB) on samples that only judge; undefined where no
   * number of them does. Absent: there is no such way.
   */
  readonly raise?: (gainDb: number) => Promise<Produced | undefined>
}

/** What a quantisation needs beside the recipe and the runtime. */
export interface Material {
  readonly original: Model
  /** With `data: none` one random sample, for shapes alone. */
  readonly samples: CalibrationSamples
  /** What each graph input can hold, for quantisation without samples. */
  readonly inputs: ReadonlyMap<string, readonly Bounds[]>
  /** Instead of samples. */
  readonly stored?: StoredStatistics | undefined
  /** Grids that are taken instead of being found. */
  readonly encodings?: Encodings | undefined
  /** What other quantisations of the same model on the same samples have done already. */
  readonly shared?: SharedWork | undefined
  /** Gives room on disk to what does not fit in memory, where there is a disk. */
  readonly withSpill?: <T>(work: (spill: Spill | undefined) => Promise<T>) => Promise<T>
  /** Bytes of memory that are free, where that is known. */
  readonly freeMemory?: () => number
  /** What measures the latency of the target, where that can be had. */
  readonly clock?: Clock
}

/** One quantisation as its mode gets it: the model is rewritten, the options fit it. */
export interface ModeJob {
  readonly runtime: Runtime
  readonly recipe: QuantizeRecipe
  readonly options: QuantizeOptions
  readonly model: Model
  readonly shapes: Shapes
  /** What BatchNormalization knew. */
  readonly statistics: Statistics
  readonly material: Material
  /** A sample. */
  readonly first: Values
  /** Is added to. */
  readonly notes: string[]
  readonly watch: Watch
}

/** Watching with a list that is added to: what is worth telling about the result. */
export interface NotedWatch extends Watch {
  readonly notes: string[]
}

/** Does anything come from samples? */
export function needsSamples({ data }: QuantizeRecipe): boolean {
  return data !== 'none'
}
