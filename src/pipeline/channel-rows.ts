// The channels of a layer's weight as rows of the report: figures of each output channel, and what stands out.
import { channelRanges, type Layer } from '../onnx/index.ts'
import { type ChannelRows, type RangeSummary, summarizeRanges } from '../report/index.ts'

/** Channels that the report shows one by one; above, neighbours share a row. */
const mostRows = 512

/** Rows and summary of a weight's output channels; undefined for a weight without a channel axis. */
export function channelRows(
  layer: Layer,
): { readonly channels: ChannelRows; readonly ranges: RangeSummary } | undefined {
  const figures = channelRanges(layer)
  const deviation = channelDeviation(layer, figures?.mean)
  if (figures === undefined || deviation === undefined) return undefined
  const { min, mean, max } = figures
  const size = Math.max(1, Math.ceil(min.length / mostRows))
  const rows = (values: Float64Array, pick: (part: Float64Array) => number): number[] =>
    Array.from({ length: Math.ceil(values.length / size) }, (_, row) =>
      fiveDigits(pick(values.subarray(row * size, (row + 1) * size))),
    )
  const { fiveNumbers, ...summary } = summarizeRanges(min, max)
  const [least, q1, median, q3, most] = fiveNumbers
  return {
    channels: {
      min: rows(min, (part) => Math.min(...part)),
      mean: rows(mean, (part) => part.reduce((sum, value) => sum + value, 0) / part.length),
      max: rows(max, (part) => Math.max(...part)),
      deviation: rows(deviation, (part) => Math.max(...part)),
      bucketed: size,
    },
    ranges: {
      ...summary,
      fiveNumbers: [fiveDigits(least), fiveDigits(q1), fiveDigits(median), fiveDigits(q3), fiveDigits(most)],
    },
  }
}

/** Standard deviation of each output channel's weights around their mean. */
function channelDeviation({ view, weight }: Layer, mean: Float64Array | undefined): Float64Array | undefined {
  if (view === undefined || mean === undefined) return undefined
  const values = weight.floats()
  return mean.map((middle, output) => {
    const base = view.offset(output)
    let sum = 0
    for (let input = 0; input < view.inputsPerGroup; input++) {
      const start = base + input * view.inputStride
      for (let position = 0; position < view.positions; position++) {
        sum += ((values[start + position * view.positionStride] ?? 0) - middle) ** 2
      }
    }
    return Math.sqrt(sum / (view.inputsPerGroup * view.positions))
  })
}

/** Enough for pictures, and half of the bytes. */
function fiveDigits(value: number): number {
  return Number(value.toPrecision(5))
}
