// The rows of an analysis: what every layer alone loses in integers.

/** What every layer alone loses in integers, without any technique. Noise is a share of the signal at the outputs. */
export interface AnalysisReport {
  /** Everything in integers. */
  readonly noise?: number
  /** The sum over the layers. */
  readonly predicted?: number
  /** Samples that noise was measured on. */
  readonly samples: number
  /** Layers, sums and inputs, most to blame first. */
  readonly layers: readonly AnalyzedLayerRow[]
}

/** A layer, a sum or an input alone in integers, all else in float. */
export interface AnalyzedLayerRow {
  readonly name: string
  readonly op: string
  readonly noise: { readonly weights?: number; readonly activations?: number; readonly both?: number }
  /** The noise that it is ranked by: its own, and what it does to others. */
  readonly blame?: number
  /** Noise that goes when it alone is in float, all else in integers. */
  readonly spared?: number
  /** "clipped range", "outlier channel" … */
  readonly cause: string
  /** One sentence with figures. */
  readonly detail: string
  /** What to do, in options of `quantize`. */
  readonly remedy: string
  /** What the remedy adds to the file and to an inference. */
  readonly bytes?: number
  readonly ms?: number
  /** Do its constants look damaged? */
  readonly damaged?: boolean
  /** Output, or group of its columns → SQNR in dB with it alone in integers; of the loudest. */
  readonly outputs?: Readonly<Record<string, number | null>>
}
