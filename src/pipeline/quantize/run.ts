// What a quantisation knows at its end.
import type { LayerSqnr } from '../../calibrate/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { LayerPlace, Model, Part, Shapes, Statistics } from '../../onnx/index.ts'
import type { LayerKernel, Plan } from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import type { TechniqueRow } from '../../report/index.ts'
import type { AppliedRewrite, Outliers } from '../../rewrite/index.ts'
import type { Latency } from '../../runtime/index.ts'
import type { SpeedChoice } from './prefer-speed.ts'
import type { StoredStatistics } from './stored-statistics.ts'

/** Files beside a model that has encodings. */
export interface WrittenEncodings {
  /** AIMET's JSON. */
  readonly file: string
  /** The float model whose tensors it names. */
  readonly model: string
}

/** Everything a quantisation knows at its end; summary, JSON and report are made from it. */
export interface QuantizeOutcome {
  readonly recipe: QuantizeRecipe
  readonly output: string
  readonly measured: boolean
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly rewrites: readonly AppliedRewrite[]
  readonly plan: Plan | undefined
  /** What runs each layer; undefined where ONNX Runtime's optimised graph cannot be read. */
  readonly kernels: readonly LayerKernel[] | undefined
  readonly float: readonly { readonly name: string; readonly reason: string }[]
  readonly comparison?: Comparison
  /** Of one sample, where nothing was measured: a dead model is to be known. */
  readonly glance?: Comparison
  readonly latency?: { readonly before: Latency; readonly after: Latency }
  /** The runtime that measured and linted, where it is not the one that the target names. */
  readonly elsewhere?: string
  readonly layerSqnr: readonly LayerSqnr[]
  /** Ids of the calibration samples. */
  readonly samples: readonly string[]
  readonly notes: readonly string[]
  /** The float model that the layers of the report describe. */
  readonly floatModel: Model
  readonly shapes: Shapes
  /** What was tried, in order, from the naive quantisation up. */
  readonly ladder?: readonly TechniqueRow[]
  /** The folded float model before equalisation, when equalisation changed it. */
  readonly originalFolded?: Model
  /** Layer name → mean shift of its output before and after bias correction: sqrt(Σ E[error]² ÷ Σ E[output]²). */
  readonly meanShift?: ReadonlyMap<string, { readonly before: number; readonly after: number }>
  /** Per-layer SQNR of the naive quantisation, by the same names as `layerSqnr`. */
  readonly naiveLayerSqnr?: readonly LayerSqnr[]
  /** What the channels of values do that techniques looked at, before any of them changed the model. */
  readonly inputChannels?: Statistics
  /** Value → channels that are computed in float beside the layers that read it. */
  readonly outliers?: Outliers
  /** Layer → its part and block, where the model has blocks. */
  readonly places?: ReadonlyMap<string, LayerPlace>
  /** What was chosen by time. */
  readonly speed?: SpeedChoice
  /** Where the bytes are. */
  readonly parts?: { readonly before: readonly Part[]; readonly after: readonly Part[] }
  readonly encodings?: WrittenEncodings
  /** What the samples taught: from this the same file can be made without them. */
  readonly statistics?: StoredStatistics
}

/** Of a file on this machine, whose optimised graph was read. */
export interface QuantizeRun extends QuantizeOutcome {
  readonly kernels: readonly LayerKernel[]
}
