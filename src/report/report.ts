// A report as plain rows. The pipeline fills it, the renderings read it; it knows nothing of models or sessions.
import type { AnalysisReport } from './analysis-rows.ts'

/** A 95 % interval. */
export interface IntervalRow {
  readonly low: number
  readonly high: number
}

/** One answer of the verdict: smaller? faster? as accurate? */
export interface VerdictPoint {
  readonly question: 'smaller' | 'faster' | 'as accurate'
  readonly answer: 'yes' | 'no' | 'unclear' | 'not measured'
  /** A short sentence with both figures: "3.9 MB → 1.1 MB (28 %)". */
  readonly text: string
}

export interface Verdict {
  /** The first line of every summary. */
  readonly headline: string
  /** `dead`: the model no longer does its job. */
  readonly tone: 'good' | 'mixed' | 'bad' | 'dead'
  readonly points: readonly VerdictPoint[]
  /** What to do next, a sentence each. */
  readonly advice: readonly string[]
}

/** One model that was measured: the float original, a technique that was tried, the result. */
/** A figure with its interval. */
export interface FigureRow {
  readonly value: number
  readonly interval: IntervalRow
  readonly samples: number
}

export interface VariantRow {
  readonly name: string
  readonly kept?: boolean
  readonly sizeBytes?: number
  readonly latencyMs?: number
  /** Half of the interquartile range of the latency. */
  readonly latencySpreadMs?: number
  readonly metric?: {
    readonly name: string
    readonly value: number
    readonly interval: IntervalRow
    readonly samples: number
    /** Unit of the value, '' for a bare number; absent: the value is a share and shown in per cent. */
    readonly unit?: string
    /** Paired difference to the first variant on the same samples, with its own interval. */
    readonly difference?: { readonly value: number; readonly interval: IntervalRow }
  }
  readonly agreement?: number
  readonly kl?: number
  /** Embeddings against the original's: mean cosine of the texts, of their tokens, share of texts with the same nearest one. */
  readonly similarity?: {
    readonly pooled: FigureRow
    readonly byToken?: FigureRow
    readonly retrieval?: FigureRow
  }
  /** SQNR of the first output in dB; null is an exact match. */
  readonly sqnrDb?: number | null
  readonly integerLayers?: number
  readonly totalLayers?: number
}

/** One technique that was tried: the recipe so far with one technique more, measured on samples that calibration did not see. */
export interface TechniqueRow {
  /** naive, folded, equalised, corrected, rounded … */
  readonly name: string
  readonly kept: boolean
  /** Why it was kept or not: "+3.1 dB", "the metric fell by more than its error". */
  readonly reason?: string
  /** SQNR of the first output in dB; null is an exact match. */
  readonly sqnrDb?: number | null
  readonly agreement?: number
  readonly kl?: number
  readonly metric?: VariantRow['metric']
  readonly seconds?: number
}

/** Per output channel figures of a weight; above 512 channels a row stands for `bucketed` neighbours. */
export interface ChannelRows {
  readonly min: readonly number[]
  readonly mean: readonly number[]
  readonly max: readonly number[]
  /** Standard deviation; of a bucket, the largest. */
  readonly deviation?: readonly number[]
  readonly bucketed: number
}

/** How the ranges (max − min) of a layer's output channels compare, counted over all of them. */
export interface RangeSummary {
  /** How many channels there are. */
  readonly channels: number
  /** Least, first quartile, median, third quartile, greatest range of the channels that are not dead. */
  readonly fiveNumbers: readonly [number, number, number, number, number]
  /** Channels above Q3 + 1.5 · (Q3 − Q1), widest first; at most 64 are named. */
  readonly outliers: readonly number[]
  readonly outlierCount: number
  /** Channels below a millionth of the median; at most 64 are named. */
  readonly dead: readonly number[]
  readonly deadCount: number
}

/** The channels of a value that layers read; above 512 channels a row stands for `bucketed` neighbours. */
export interface InputChannelsRow {
  readonly value: string
  /** Who reads it. */
  readonly layers: readonly string[]
  readonly channels: number
  /** Widest ÷ middle channel. */
  readonly peak: number
  readonly min: readonly number[]
  readonly max: readonly number[]
  readonly bucketed: number
  /** Channels that are computed in float beside the layer. */
  readonly apart: readonly number[]
}

/** What a part of a model stores. */
export interface PartRow {
  /** "embedding", "attention", "feed-forward" … */
  readonly part: string
  readonly bytes: { readonly before: number; readonly after: number }
}

/** One layer (Conv, ConvTranspose, Gemm or MatMul with a constant weight) of the written model. */
export interface LayerRow {
  readonly name: string
  readonly op: string
  /** What it belongs to: "attention", "feed-forward"; where the model has blocks. */
  readonly part?: string
  /** Its block, from 1. */
  readonly block?: number
  readonly macs?: number
  readonly parameters: number
  /** Does ONNX Runtime run it with an integer kernel? */
  readonly integer?: boolean
  /** Why not, when it does not. */
  readonly reason?: string
  /** The kernel it runs with, as in the optimised graph: "QLinearConv". */
  readonly kernel?: string
  /** SQNR of the layer's output against the float model in dB; null is an exact match. */
  readonly sqnrDb?: number | null
  readonly weightGrid?: string
  readonly outputGrid?: string
  /** SQNR of the same layer when the model is quantised without any technique, for comparison. */
  readonly naiveSqnrDb?: number | null
  /** Largest ÷ median range of its output channels, in the written model. */
  readonly rangeSpread?: number
  /** The weight in float, before equalisation or compression where there was one. */
  readonly channels?: ChannelRows
  /** The same afterwards; absent when the weight is as it was. */
  readonly channelsAfter?: ChannelRows
  readonly ranges?: RangeSummary
  readonly rangesAfter?: RangeSummary
  /** Mean shift of the output, sqrt(Σ E[error]² ÷ Σ E[output]²) over channels, before and after bias correction. */
  readonly meanShift?: { readonly before: number; readonly after: number }
}

/** An activation with its grid, or the reason it stayed float. */
export interface ActivationRow {
  readonly tensor: string
  readonly dtype?: string
  readonly scale?: number
  readonly zeroPoint?: number
  readonly low?: number
  readonly high?: number
  readonly observedLow?: number
  readonly observedHigh?: number
  readonly reason: string
  /** Where the range came from: "minmax", "percentile 99.99", "inherited". */
  readonly method?: string
  /** Histogram of the observed values, when one was taken: equally wide bins from `from` to `to`. */
  readonly histogram?: { readonly from: number; readonly to: number; readonly counts: readonly number[] }
}

/** One rewrite or step that was applied, or left alone, with its proof. */
export interface StepRow {
  readonly name: string
  readonly kind: 'exact' | 'bounded' | 'step'
  readonly kept: boolean
  /** What was done to which node, in words. */
  readonly changes: readonly string[]
  /** What was left alone, and why. */
  readonly skipped?: readonly string[]
  /** SQNR of the model before against after in dB, on samples; null is an exact match. */
  readonly sqnrDb?: number | null
  /** The same on random inputs. */
  readonly randomSqnrDb?: number | null
  /** What a rewrite must keep at least, in dB. */
  readonly boundDb?: number
  readonly seconds?: number
}

/** How a training went. */
export interface TrainingRows {
  readonly epochs: readonly {
    readonly epoch: number
    /** Mean over the steps of the epoch. */
    readonly loss: number
    readonly score?: number
    readonly rate: number
    readonly seconds: number
  }[]
  /** Loss of single steps. */
  readonly losses: readonly { readonly step: number; readonly loss: number }[]
  /** What `score` is: "top1" (a share), or "SQNR" in dB. */
  readonly scoreName?: string
  /** Score before training. */
  readonly before?: number
  /** The epoch whose model was written. */
  readonly best?: number
}

/** What a compression looked at and chose. */
export interface CompressionReport {
  /** What the budget counts: "MACs", "parameter bytes". */
  readonly cost: string
  /** Shares of a layer's cost at which the errors of the table stand, rising. */
  readonly ratios: readonly number[]
  readonly layers: readonly CompressedLayerRow[]
  /** One entry a model of the curve, the original first. */
  readonly curve: readonly CurvePointRow[]
}

export interface CompressedLayerRow {
  readonly name: string
  /** Share of the layer's cost that is left; 1 when it keeps its form. */
  readonly ratio: number
  /** "spatial-svd vertical-horizontal, rank 12", or why it keeps its form. */
  readonly what: string
  /** Error after the fit as a share of the output's variance. */
  readonly error: number
  /** Least error at each of the table's ratios; null where no candidate is as cheap. */
  readonly errors: readonly (number | null)[]
  /** Errors at ranks 1, 2, … of the chosen split (or the first that was looked at), and the chosen rank. */
  readonly spectrum?: { readonly split: string; readonly errors: readonly number[]; readonly rank?: number }
  /** Time of the layer, measured alone, before and after; absent when it was not timed. */
  readonly latencyMs?: { readonly before: number; readonly after: number }
}

export interface CurvePointRow {
  readonly name: string
  readonly macs: number
  readonly sizeBytes: number
  readonly latencyMs: number
  /** Bytes of the values between the nodes at the worst moment, for one sample. */
  readonly activationBytes?: number
  readonly metric?: number
  readonly agreement?: number
  readonly kl?: number
}

export interface Report {
  readonly version: 1
  readonly command: string
  /** "mobilenet.onnx → mobilenet.int8.onnx" */
  readonly title: string
  readonly createdAt: string
  readonly verdict: Verdict
  /** Labelled facts for the first screen, in order. */
  readonly facts: readonly { readonly label: string; readonly value: string }[]
  /** The float original first, then the techniques in order; the one that was written is `kept`. */
  readonly variants: readonly VariantRow[]
  /** Techniques in the order in which they were tried, the naive quantisation first. `ladder` is their key in report.json and --json: it stays. */
  readonly ladder?: readonly TechniqueRow[]
  /** Output name → SQNR in dB (null: exact match). */
  readonly outputs: Readonly<Record<string, number | null>>
  readonly steps: readonly StepRow[]
  readonly layers: readonly LayerRow[]
  /** What multiplies and is not a layer: products of activations, recurrent operators, what lies in sub-graphs. All of it is float. */
  readonly otherProducts?: readonly { readonly op: string; readonly count: number; readonly macs?: number }[]
  readonly activations: readonly ActivationRow[]
  /** Values whose channels go apart, or in which one stands out. */
  readonly inputChannels?: readonly InputChannelsRow[]
  /** Where the bytes are, the largest part of the original first. */
  readonly parts?: readonly PartRow[]
  /** Curves, when the model was trained. */
  readonly training?: TrainingRows
  readonly compression?: CompressionReport
  readonly analysis?: AnalysisReport
  /** Assumptions and warnings, a sentence each. */
  readonly notes: readonly string[]
  /** Files that were written, in the order to name them. */
  readonly files?: readonly { readonly label: string; readonly path: string }[]
  /** CPU, flags, versions, threads: label → value. */
  readonly environment: Readonly<Record<string, string>>
  /** The recipe that repeats the run, as JSON. */
  readonly recipe: unknown
  /** The command line that repeats the run. */
  readonly commandLine?: string
}
