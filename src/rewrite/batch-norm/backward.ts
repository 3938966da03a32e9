// Layer → BatchNormalization (or Mul/Add with constants): W'[o] = W[o]·G[o], b'[o] = h[o] + b[o]·G[o]. Exact at borders too.
import {
  channelRanges,
  factsOf,
  type GraphEditor,
  isOp,
  layerOf,
  type Node,
  type Shapes,
  type ViewedLayer,
} from '../../onnx/index.ts'
import type { PassLog } from '../edit-pass.ts'
import { type ChannelAxis, rescale } from './affine.ts'
import { biasOf, fitsLayer, foldableLayer, writeLayer } from './layer-edit.ts'
import { namesOf, type Run, removeRun, runAfter } from './run.ts'

/** A row whose range is below this share of the layer's median row does nothing any more. */
const DEAD_ROW = 1e-6

/**
 * Folds what follows a layer into the layer, in graph order; all of a run at once, so that there is one rounding.
 * Returns each BatchNormalization that follows a layer and cannot go into it, and why.
 */
export function foldBackward(editor: GraphEditor, log: PassLog, shapes: Shapes): Map<Node, string> {
  const blocked = new Map<Node, string>()
  for (const node of editor.nodes()) {
    if (!factsOf(node).layer || !editor.has(node)) continue
    const layer = foldableLayer(editor, node)
    if (typeof layer === 'string') continue
    const run = runAfter(editor, node.outputs[0] ?? '', channelAxisOf(layer, shapes))
    if (run.nodes.length > 0 && !isBiasOfMatMul(editor, layer, run)) {
      const why = fold(editor, log, layer, run)
      const norm = run.nodes.find((each) => isOp(each, 'BatchNormalization'))
      if (why && norm) blocked.set(norm, why)
    }
    if (run.blocked) blocked.set(run.blocked.node, run.blocked.why)
  }
  return blocked
}

function channelAxisOf(layer: ViewedLayer, shapes: Shapes): ChannelAxis {
  const channels = layer.view.outputs
  if (layer.facts.window) return { channels, fromEnd: 1 - layer.weight.shape.length, rank: layer.weight.shape.length }
  if (layer.facts.channels === 'second') return { channels, fromEnd: -1, rank: 2 }
  const rank = shapes.get(layer.node.outputs[0] ?? '')?.dims.length
  return { channels, fromEnd: -1, ...(rank === undefined ? {} : { rank }) }
}

/** MatMul + Add is the form that a MatMul with a bias has; nothing to fold. */
function isBiasOfMatMul(editor: GraphEditor, { node, facts }: ViewedLayer, run: Run): boolean {
  const [only] = run.nodes
  return (
    facts.bias === undefined &&
    only !== undefined &&
    run.nodes.length === 1 &&
    isOp(only, 'Add') &&
    editor.soleConsumer(node.outputs[0] ?? '') === only
  )
}

/** @returns why nothing was done */
function fold(editor: GraphEditor, log: PassLog, layer: ViewedLayer, run: Run): string | undefined {
  const { node } = layer
  const change = (value: number, o: number) => value * (run.scale[o] ?? 1)
  const bias = biasOf(layer).map((value, o) => value * (run.scale[o] ?? 1) + (run.shift[o] ?? 0))
  if (!fitsLayer(layer, change, bias)) return `folded into ${layer.name} it would leave what float16 can hold`
  const before = log.statistics.get(node.outputs[0] ?? '')
  for (const value of [node.outputs[0] ?? '', ...run.nodes.map((each) => each.outputs[0] ?? '')])
    log.statistics.delete(value)
  removeRun(editor, run)
  const output = node.outputs[0] ?? ''
  writeLayer(editor, layer, change, bias)
  const statistics = run.statistics ?? (before && rescale(before, run))
  if (statistics) log.statistics.set(output, statistics)
  log.changed(node, `${namesOf(run.nodes)} folded into it${deadChannels(editor, node, run)}`)
  return undefined
}

/** Channels that matter later: a variance of almost nothing, or a weight row of almost nothing, with a bias left. */
function deadChannels(editor: GraphEditor, node: Node, run: Run): string {
  const layer = layerOf(node, (value) => editor.constant(value))
  const ranges = layer && channelRanges(layer)
  const widths = ranges ? Array.from(ranges.max, (high, o) => high - (ranges.min[o] ?? 0)) : []
  const median = widths.toSorted((a, b) => a - b)[Math.floor(widths.length / 2)] ?? 0
  const rows = [...widths.keys()].filter((o) => (widths[o] ?? 0) < DEAD_ROW * median)
  const list = (channels: readonly number[]) =>
    channels.length > 8 ? `${channels.length}: ${channels.slice(0, 8).join(', ')} …` : channels.join(', ')
  const parts = [
    run.nearDead.length > 0 ? `variance below 1e-6 in channels ${list(run.nearDead)}` : '',
    rows.length > 0 ? `almost no weight in channels ${list(rows)}` : '',
  ].filter((part) => part !== '')
  return parts.length === 0 ? '' : ` (near-dead: ${parts.join('; ')})`
}
