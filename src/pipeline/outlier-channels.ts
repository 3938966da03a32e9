// The channels of what layers read: how far each reaches, and which ones go apart.
import {
  constantsOf,
  dataInput,
  isOp,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
  type Statistics,
} from '../onnx/index.ts'
import type { InputChannelsRow } from '../report/index.ts'
import type { QuantizeOutcome } from './quantize/run.ts'

/** Layers some of whose input channels are computed in float beside them. */
export interface OutlierChannels {
  readonly layer: string
  readonly channels: readonly number[]
}

type Run = Pick<QuantizeOutcome, 'floatModel' | 'inputChannels' | 'outliers'>

/** In graph order; empty where all channels go together. */
export function outlierChannels({ floatModel, outliers = {} }: Run): OutlierChannels[] {
  const sources = sourcesOf(floatModel)
  return layersOf(floatModel).flatMap((layer) => {
    const channels = sources(layer).flatMap((value) => outliers[value] ?? [])
    return channels.length > 0 && leavesOut(layer, channels) ? [{ layer: nodeName(layer.node), channels }] : []
  })
}

/** Does a layer not look at these channels? Those that are not apart read the same value. */
function leavesOut({ weight, view }: Layer, channels: readonly number[]): boolean {
  if (!view) return false
  const values = weight.floats()
  return channels.every((channel) =>
    Array.from({ length: view.outputs }, (_, o) => values[view.offset(o) + channel * view.inputStride]).every(
      (value) => value === 0,
    ),
  )
}

/** The value that a layer reads, then what that is made of by factors for each channel. */
function sourcesOf({ graph }: Model): (layer: Layer) => string[] {
  const makers = new Map<string, Node>(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  const constants = constantsOf(graph)
  return (layer) => {
    const found = [dataInput(layer)]
    for (const value of found) {
      const node = makers.get(value)
      if (!node || !isOp(node, 'Mul') || found.length > graph.nodes.length) continue
      const open = node.inputs.filter((input) => !constants(input))
      if (open.length === 1) found.push(open[0] ?? '')
    }
    return found
  }
}

/** A channel this many times as wide as the middle one stands out. */
const STANDS_OUT = 8
/** Values whose channels are shown, and channels that are shown one by one. */
const MOST_VALUES = 12
const MOST_ROWS = 512

/** The values whose channels go apart, then those in which one stands out most. */
export function inputChannelRows(run: Run): InputChannelsRow[] {
  const { floatModel, inputChannels = new Map() } = run
  const apart = new Map(outlierChannels(run).map(({ layer, channels }) => [layer, channels]))
  const sources = sourcesOf(floatModel)
  const rows = new Map<string, { layers: string[]; row: InputChannelsRow }>()
  for (const layer of layersOf(floatModel)) {
    const value = sources(layer).findLast((name) => inputChannels.has(name))
    const name = nodeName(layer.node)
    // The small product of the outlier channels reads a part of the value.
    const row = value === undefined ? undefined : rowOf(value, inputChannels, apart.get(name) ?? [])
    if (value === undefined || !row || row.channels !== inputsOf(layer)) continue
    const known = rows.get(value) ?? { layers: [], row }
    known.layers.push(name)
    rows.set(value, known)
  }
  return [...rows.values()]
    .map(({ row, layers }) => ({ ...row, layers }))
    .filter(({ apart, peak }) => apart.length > 0 || peak >= STANDS_OUT)
    .sort((a, b) => Number(b.apart.length > 0) - Number(a.apart.length > 0) || b.peak - a.peak)
    .slice(0, MOST_VALUES)
}

function inputsOf({ view }: Layer): number | undefined {
  return view && view.inputsPerGroup * view.groups
}

function rowOf(value: string, seen: Statistics, apart: readonly number[]): InputChannelsRow | undefined {
  const { min, max } = seen.get(value) ?? {}
  if (!min || !max) return undefined
  const sizes = Array.from(min, (low, c) => Math.max(-low, max[c] ?? 0))
  const middle = [...sizes].sort((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? 0
  const bucketed = Math.max(1, Math.ceil(sizes.length / MOST_ROWS))
  const rows = (values: Float64Array, pick: (...part: number[]) => number) =>
    Array.from({ length: Math.ceil(values.length / bucketed) }, (_, row) =>
      Number(pick(...values.subarray(row * bucketed, (row + 1) * bucketed)).toPrecision(5)),
    )
  return {
    value,
    layers: [],
    channels: sizes.length,
    peak: middle > 0 ? Math.max(...sizes) / middle : 1,
    min: rows(min, Math.min),
    max: rows(max, Math.max),
    bucketed,
    apart,
  }
}
