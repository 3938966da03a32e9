// What the ladder climbs with and where it ends, and a float model on the way up.
import type { Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import type { Model, Shapes, Statistics } from '../../onnx/index.ts'
import type { LayerCorrection, QuantizeOptions } from '../../quantize/index.ts'
import type { RungRow } from '../../report/index.ts'
import type { AppliedRewrite, Observed } from '../../rewrite/index.ts'
import type { RuntimeProducts } from '../../runtime/index.ts'
import type { Built, WidestReach } from './build.ts'
import type { Score } from './judge.ts'
import type { Learnt } from './stored-statistics.ts'
import type { Technique } from './techniques.ts'

export interface LadderOptions extends Watch {
  readonly quantize: QuantizeOptions
  readonly techniques: readonly Technique[]
  /** always: the techniques are pinned, nothing is dropped but what breaks its bound. */
  readonly keep: 'if-better' | 'always'
  readonly clip: 'hold' | 'exact' | 'auto'
  readonly seed: number
  readonly label: string
  readonly products: RuntimeProducts
  readonly spill?: Spill
  /** Bytes that a training may take. */
  readonly memory?: number
}

/** Where the ladder ends. */
export interface Climbed {
  /** The float model that was quantised in the end. */
  readonly float: Model
  readonly shapes: Shapes
  readonly built: Built
  readonly rungs: readonly RungRow[]
  readonly rewrites: readonly AppliedRewrite[]
  /** The float model before equalisation, when that was kept. */
  readonly beforeEqualization?: Model
  /** The quantisation without any technique. */
  readonly naive: Built
  readonly corrections: readonly LayerCorrection[]
  readonly notes: readonly string[]
  /** What the samples taught: enough to come to the same model without them. */
  readonly learnt: Learnt
}

/** A float model on the way up, with its quantisation. */
export interface Standing {
  readonly float: Model
  readonly seen: Observed
  /** How far values reach whose channels were scaled. */
  readonly reach?: WidestReach
  /** What a float model of this form must gain to be kept, in dB. */
  readonly least?: number
  /** As calibrated, before any correction: where rounding starts. */
  readonly plain: Built
  readonly built: Built
  readonly score: Score
}

/** What was seen of a float model's channels. */
export interface SeenChannels {
  readonly float: Model
  readonly statistics: Statistics
}
