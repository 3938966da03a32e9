// A layer's channels as its pictures need them: the written weight, and what it was before.
import { summaryOfRows } from '../range-summary.ts'
import type { ChannelRows, LayerRow, RangeSummary } from '../report.ts'

/** A layer with channels, and what its pictures need. */
export interface WeightRow {
  readonly layer: LayerRow
  /** Its place in the report, from 0. */
  readonly index: number
  /** The written weight, and what it was when equalisation changed it. */
  readonly now: ChannelRows
  readonly before?: ChannelRows
  readonly ranges?: RangeSummary
  readonly rangesBefore?: RangeSummary
}

/** The row of a layer; empty when its channels were not looked at. */
export function weightRow(layer: LayerRow, index: number): WeightRow[] {
  const { channels, channelsAfter } = layer
  if (channels === undefined) return []
  const now = channelsAfter ?? channels
  const changed = channelsAfter !== undefined
  const first = layer.ranges ?? summaryOfRows(channels)
  const ranges = changed ? (layer.rangesAfter ?? summaryOfRows(now)) : first
  return [
    {
      layer,
      index,
      now,
      ...(ranges && { ranges }),
      ...(changed && { before: channels, ...(first && { rangesBefore: first }) }),
    },
  ]
}
