// What an analysis tells.
import type { ColumnGroup } from '../../metrics/index.ts'
import type { AnalyzeRecipe } from '../../recipe/index.ts'

/** Noise in the outputs as a share of their signal: the mean over outputs and their column groups. */
export interface LayerNoise {
  readonly weights: number
  readonly activations: number
  readonly both: number
}

export type CauseName =
  | 'outlier channel'
  | 'moved bias'
  | 'clipped range'
  | 'dead grid'
  | 'small signal under a residual'
  | 'few bits'
  | 'rounding'

/** Why a layer is noisy, and what helps. */
export interface Diagnosis {
  readonly cause: CauseName
  /** One sentence with figures. */
  readonly detail: string
  /** The channel at fault, where it is one. */
  readonly channel?: number
  /** Do constants of the layer look damaged? Such layers come first, whatever their noise. */
  readonly damaged?: true
  /** What to do, in options of `quantize`. */
  readonly remedy: string
  /** What that adds to the file. */
  readonly bytes: number
  /** What it adds to an inference, in milliseconds: from the layer's share of the multiplications. */
  readonly ms: number
}

/** A layer, or a node that joins values, as it does alone. */
export interface AnalyzedLayer extends Diagnosis {
  readonly name: string
  readonly op: string
  /** It alone in integers, all else in float. */
  readonly noise: LayerNoise
  /**
   * The noise that it is to blame for, by which layers are ranked: its own, without what an outlier channel that it reads does to its
   * weights, which counts for the layer that makes that channel.
   */
  readonly blame: number
  /** Was the noise of both measured together, or is it the sum of the two? */
  readonly measured: boolean
  /** Noise that goes when it alone is in float, all else in integers; of the loudest only. */
  readonly spared?: number
  /** Output → SQNR in dB with it alone in integers; of the loudest only. */
  readonly sqnrDb?: Readonly<Record<string, number | null>>
  readonly columns?: Readonly<Record<string, readonly ColumnGroup[]>>
}

export interface AnalyzeRun {
  readonly recipe: AnalyzeRecipe
  /** Loudest first. */
  readonly layers: readonly AnalyzedLayer[]
  /** Everything in integers, without any technique. */
  readonly noise: number
  /** The sum over the layers, which is that where noise of different layers is independent. */
  readonly predicted: number
  readonly samples: number
  readonly latencyMs?: { readonly float: number; readonly integer: number }
  readonly notes: readonly string[]
  readonly seconds: number
}
