// What is known of the channels of a value. Plain data: it travels with the model through rewrites and is rescaled with it.

/** Mean, deviation and range of each channel of a value. */
export interface ChannelStatistics {
  readonly mean: Float64Array
  readonly deviation: Float64Array
  /** Smallest and largest value of each channel; absent when nothing was observed. */
  readonly min?: Float64Array
  readonly max?: Float64Array
  /** Where it comes from: BatchNorm's β and |γ|, or calibration. */
  readonly source: 'batch-norm' | 'calibrated'
}

/** Value name → statistics of its channels. */
export type Statistics = ReadonlyMap<string, ChannelStatistics>
