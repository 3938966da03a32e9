// How far the channels of a value may reach on samples that nobody has seen.
import { portable, sizeOf } from '../../base/index.ts'
import {
  type Bounds,
  type ChannelStatistics,
  constantsOf,
  factsOf,
  isOp,
  type Model,
  type Node,
  type Shapes,
  type Statistics,
} from '../../onnx/index.ts'

/** Deviations around the mean that a value keeps to, as in data-free quantisation. */
const DEVIATIONS = 4

/** Values a sample of a tensor that counts as large. */
const LARGE = 8192

/** The ends of each channel. */
export interface Reach {
  readonly low: Float64Array
  readonly high: Float64Array
}

/** Operators behind which a channel holds values that it had before, or nothing. */
const passing = ['MaxPool', 'Pad', 'Identity', 'Dropout'] as const

/**
 * What was seen of a value's channels, widened to four (or other) deviations around the mean. A channel that was hardly ever active
 * shows neither its range nor its deviation behind a Relu: both are taken from in front of it, and cut to its bounds.
 */
export function reachesOf(
  model: Model,
  statistics: Statistics,
  deviations: (value: string) => number = () => DEVIATIONS,
): (value: string) => Reach | undefined {
  const constants = constantsOf(model.graph)
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const boundsOf = (node: Node) => (node.inputs.length > 0 ? factsOf(node).bounds?.(node, constants) : undefined)
  const known = new Map<string, Reach | undefined>()
  const find = (value: string): Reach | undefined => {
    const seen = statistics.get(value)
    const node = producers.get(value)
    const bounds = node && isOp(node, 'Relu', 'Clip') ? boundsOf(node) : undefined
    const before = node && (bounds || isOp(node, ...passing)) ? reach(node.inputs[0] ?? '') : undefined
    const own = seen && widened(seen, deviations(value), bounds)
    if (!own || before?.low.length !== own.low.length) return own
    const inside = (x: number) => (bounds ? Math.min(Math.max(x, bounds.low), bounds.high) : x)
    return {
      low: own.low.map((x, c) => Math.min(x, inside(before.low[c] ?? 0))),
      high: own.high.map((x, c) => Math.max(x, inside(before.high[c] ?? 0))),
    }
  }
  const reach = (value: string): Reach | undefined => {
    if (!known.has(value)) known.set(value, find(value))
    return known.get(value)
  }
  return reach
}

function widened(
  { mean, deviation, min, max }: ChannelStatistics,
  deviations: number,
  bounds: Bounds | undefined,
): Reach {
  const inside = (x: number) => (bounds ? Math.min(Math.max(x, bounds.low), bounds.high) : x)
  // What never fell below 0 cannot.
  const floor = min?.every((x) => x >= 0) ? 0 : Number.NEGATIVE_INFINITY
  const at = (c: number, sign: number) =>
    Math.max(floor, inside((mean[c] ?? 0) + sign * deviations * (deviation[c] ?? 0)))
  return {
    low: mean.map((_, c) => Math.min(at(c, -1), min?.[c] ?? Number.POSITIVE_INFINITY)),
    high: mean.map((_, c) => Math.max(at(c, 1), max?.[c] ?? Number.NEGATIVE_INFINITY)),
  }
}

/**
 * How far whole values reach. Factors that bring all channels to one size bring out the luck of the samples: every channel's
 * largest value seen lies at the end of the grid, and a new sample passes it in one channel or another. So values reach as far
 * as the largest of as many normal numbers as were seen, √(2 ln N) deviations from the mean of a channel, and those of small
 * tensors, where a clipped value outweighs all rounding, well beyond what few samples show.
 * @param samples how many the statistics are of
 */
export function widestReaches(
  model: Model,
  statistics: Statistics,
  shapes: Shapes,
  samples: number,
): (value: string) => { readonly low: number; readonly high: number } | undefined {
  const size = (value: string) => sizeOf((shapes.get(value)?.dims ?? []).slice(1))
  const reaches = reachesOf(model, statistics, (value) =>
    Math.sqrt(2 * portable.log(Math.max(2, samples * size(value)))),
  )
  return (value) => {
    const [reach, seen] = [reaches(value), statistics.get(value)]
    if (!reach) return undefined
    const beyond = 1 + Math.min(1 / 2, 8 / samples) / (1 + size(value) / LARGE)
    return {
      low: Math.min(...reach.low, beyond * Math.min(0, ...(seen?.min ?? []))),
      high: Math.max(...reach.high, beyond * Math.max(0, ...(seen?.max ?? []))),
    }
  }
}
