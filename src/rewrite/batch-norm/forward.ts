// BatchNormalization → layer: W'[o,i] = W[o,i]·G[i], b'[o] = b[o] + Σ W[o,i]·h[i]. Only where no padded value is seen.
import {
  type GraphEditor,
  intAttribute,
  intsAttribute,
  isOp,
  type Node,
  nodeName,
  type Shapes,
  stringAttribute,
  type ViewedLayer,
} from '../../onnx/index.ts'
import type { Affine } from './affine.ts'
import { type ElementChannels, featureChannels, moveChannels } from './element-channels.ts'
import { biasOf, fitsLayer, foldableLayer, forEachWeight, writeLayer } from './layer-edit.ts'

/** A layer that takes an affine map of its input, and the channel that each of its inputs belongs to. */
export interface Receiver {
  readonly layer: ViewedLayer
  readonly channelOf: (input: number) => number
}

/** An affine map on its way through a graph. */
export interface Travelling {
  readonly editor: GraphEditor
  readonly shapes: Shapes
  readonly affine: Affine
  /** Convolutions that pad take a shift as well: the caller sees to their borders. */
  readonly borders?: boolean
}

/** All layers that a map of a value reaches, or why one of its readers cannot take the map. */
export function receiversOf(
  travelling: Travelling,
  value: string,
  map: ElementChannels = 'axis 1',
): Receiver[] | string {
  const { editor } = travelling
  if (editor.isOutput(value)) return 'its output is a graph output'
  if (editor.isCaptured(value)) return 'its output is read by a sub-graph'
  const found: Receiver[] = []
  for (const node of editor.consumers(value)) {
    const receivers = receive(travelling, node, value, map)
    if (typeof receivers === 'string') return `${nodeName(node)} ${receivers}`
    found.push(...receivers)
  }
  return found
}

function receive(travelling: Travelling, node: Node, value: string, map: ElementChannels): Receiver[] | string {
  const { editor, shapes, affine } = travelling
  if (node.inputs.filter((name) => name === value).length > 1 || node.inputs[0] !== value)
    return `is ${node.opType} and reads it in another way than as its data`
  const on = (next: ElementChannels): Receiver[] | string => receiversOf(travelling, node.outputs[0] ?? '', next)
  const rises = affine.scale.every((scale) => scale > 0)
  switch (isOp(node, node.opType) ? node.opType : '') {
    case 'Identity':
    case 'Dropout':
      return on(map)
    case 'GlobalAveragePool':
      return map === 'axis 1' ? on(map) : 'pools what was reshaped'
    case 'AveragePool':
      if (map !== 'axis 1') return 'pools what was reshaped'
      return countsPadding(node) ? 'averages over padding' : on(map)
    case 'GlobalMaxPool':
    case 'MaxPool':
      if (map !== 'axis 1') return 'pools what was reshaped'
      return rises ? on(map) : 'takes a maximum, and a factor is not positive'
    case 'Flatten':
    case 'Reshape':
    case 'Transpose': {
      const next = moveChannels(editor, shapes, map, node)
      return typeof next === 'string' ? next : on(next)
    }
    case 'Conv':
    case 'ConvTranspose':
    case 'Gemm':
    case 'MatMul':
      return receiveInLayer(travelling, node, map)
    default:
      return `is ${node.opType}, which an affine map does not pass`
  }
}

function receiveInLayer(
  { editor, shapes, affine, borders }: Travelling,
  node: Node,
  map: ElementChannels,
): Receiver[] | string {
  const { scale, shift } = affine
  const layer = foldableLayer(editor, node)
  if (typeof layer === 'string') return `cannot take it: ${layer}`
  const inputs = layer.view.inputsPerGroup * layer.view.groups
  const { window, channels: axis } = layer.facts
  if (window) {
    if (map !== 'axis 1' || inputs !== scale.length) return 'reads other channels'
    const shifts = shift.some((value) => value !== 0)
    if (shifts && window === 'spreads') return 'is ConvTranspose, whose borders see fewer taps'
    if (shifts && borders !== true && isPadded(node)) return 'pads its input with zeros, after the shift'
    return [{ layer, channelOf: (input) => input }]
  }
  // What has its features on the second axis and no window reads rank 2: without a Reshape before it, its features are the channels.
  if (map === 'axis 1' && axis === 'second' && inputs === scale.length) return [{ layer, channelOf: (input) => input }]
  const channels = featureChannels(shapes, map, node.inputs[0] ?? '')
  if (channels?.length !== inputs) return 'reads features that are not whole channels, or were never observed'
  return [{ layer, channelOf: (input) => channels[input] ?? 0 }]
}

/** Does a window reach over the border? Padding set to anything but none counts. */
export function isPadded(node: Node): boolean {
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  if (auto !== 'NOTSET') return auto !== 'VALID'
  return (intsAttribute(node, 'pads') ?? []).some((pad) => pad !== 0)
}

/** Does an AveragePool count elements beyond the border? With ceil_mode the last window may reach over it, too. */
function countsPadding(node: Node): boolean {
  return (
    intAttribute(node, 'count_include_pad', 0) === 1 && (isPadded(node) || intAttribute(node, 'ceil_mode', 0) === 1)
  )
}

/** What a layer becomes that takes the map: a factor for each weight, and its bias. */
function takenBy({ layer, channelOf }: Receiver, { scale, shift }: Affine) {
  const { view, alpha } = layer
  const channel = (o: number, i: number) =>
    channelOf(Math.floor((o * view.groups) / view.outputs) * view.inputsPerGroup + i)
  const bias = biasOf(layer)
  const values = layer.weight.floats()
  forEachWeight(view, (at, o, i) => {
    bias[o] = (bias[o] ?? 0) + alpha * (values[at] ?? 0) * (shift[channel(o, i)] ?? 0)
  })
  return { change: (value: number, o: number, i: number) => value * (scale[channel(o, i)] ?? 1), bias }
}

/** Can the layer's type hold its weights once they took the map? */
export function canTake(receiver: Receiver, affine: Affine): boolean {
  if (receiver.layer.weight.dtype !== 'float16') return true
  const { change, bias } = takenBy(receiver, affine)
  return fitsLayer(receiver.layer, change, bias)
}

/** Writes the map into a layer that receives it. */
export function foldForward(editor: GraphEditor, receiver: Receiver, affine: Affine): void {
  const { change, bias } = takenBy(receiver, affine)
  writeLayer(editor, receiver.layer, change, bias)
}
