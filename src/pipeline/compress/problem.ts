// What every method and every budget of a compression starts from.
import type { Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import type { CompressibleLayer, CostModel, FitProducts, LayerSurvey } from '../../compress/index.ts'
import type { Batch } from '../../data/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'
import type { WorkingForm } from '../working-form.ts'

/** Samples with one purpose, read anew each time that they are asked for. */
export interface Share {
  readonly size: number
  readonly hasLabels: boolean
  /** In batches that a model of these shapes takes. */
  readonly batches: (model: Model, shapes: Shapes, watch: Watch) => AsyncIterable<Batch>
}

/** Samples by what they are for. */
export interface CompressSamples {
  /** A run of one sample: shapes are observed and models are timed on it. */
  readonly sample: Values
  /** What is fitted is fitted to these. */
  readonly fit: Share
  /** What choices between models look at: no fit sees them. */
  readonly judge: Share
  /** What the result is measured on: nothing has seen them before. Absent: nothing is measured. */
  readonly report?: Share
}

/** What earlier runs found out, kept by the content that it depends on. */
export interface RunMemory {
  readonly cache: EvaluationCache
  /** A short name of content: the same for the same bytes. */
  readonly digest: (parts: Iterable<string | Uint8Array>) => string
  /** The finished model of an earlier run. */
  readonly readModel: (key: string) => Promise<Uint8Array | undefined>
  readonly keepModel: (key: string, bytes: Uint8Array) => Promise<void>
}

/** The machine that a result is made for. */
export interface Machine {
  /** Names what times depend on. */
  readonly name: string
  /** Channels that its convolutions work on at a time. */
  readonly block: number
}

/** What only some places can do: a command line has a disk and a machine to measure, a page has neither. */
export interface CompressHost {
  /** Room on disk for values that do not fit in memory. */
  readonly withSpill?: <T>(work: (spill: Spill) => Promise<T>) => Promise<T>
  readonly memory?: RunMemory
  readonly machine?: Machine
}

/** What may change, and how far. */
export interface Limits {
  /** Names of layers that stay exactly as they are. */
  readonly keepLayers: ReadonlySet<string>
  /** Ranks, and channels that a layer keeps, are multiples of this. */
  readonly multiple: number
  /** Weights only: no data in the fits. */
  readonly plain: boolean
  readonly seed: number
}

/** A model with the shapes that were observed of its values. */
export interface Shaped {
  readonly model: Model
  readonly shapes: Shapes
}

/** One model to compress: what methods find plans for, and build. */
export interface Problem extends Shaped, Limits, Watch {
  readonly runtime: Runtime
  readonly products: FitProducts
  readonly host: CompressHost
  /** How the model is called in errors: its file. */
  readonly label: string
  /** As it came, in a form that can be worked on: results are compared with it, and times are shares of its time. */
  readonly original: Model
  readonly form: WorkingForm
  /** As rewritten, before dead channels were taken out: what shares of the cost are of. */
  readonly whole: Shaped
  /** Cost of `whole`, by `cost`. */
  readonly wholeCost: number
  /** What a choice adds up. */
  readonly cost: CostModel
  readonly survey: LayerSurvey
  /** Layers that may change. */
  readonly layers: readonly CompressibleLayer[]
  /** Batches that fits see, and the feeds in them. */
  readonly batches: readonly Batch[]
  readonly fit: readonly Values[]
  readonly sample: Values
  readonly judge: Share
  readonly cache: EvaluationCache
  /** Names everything that results depend on: model, samples, runtime. */
  readonly key: string
  /** What is stored in the model of how samples were prepared. */
  readonly preprocess?: string | undefined
}
