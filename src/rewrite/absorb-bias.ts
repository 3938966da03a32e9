// Bias absorption: what a channel holds at the least moves through its activation into the layers that read it.
import {
  type ChannelStatistics,
  clipBounds,
  factsOf,
  type GraphEditor,
  isOp,
  type Model,
  type Node,
  type Shapes,
  stringAttribute,
  type ViewedLayer,
} from '../onnx/index.ts'
import { addBorderMap, hasBorder } from './absorb/border-map.ts'
import { foldForward, type Receiver, receiversOf } from './batch-norm/forward.ts'
import { biasOf, foldableLayer, writeLayer } from './batch-norm/layer-edit.ts'
import { boundChannels } from './channel-clip.ts'
import { editModel, type PassLog } from './edit-pass.ts'
import { doublesOf, floatTensor } from './float-tensor.ts'
import { defineRewrite, type Rewrite, type RewriteContext, type RewriteResult } from './rewrite.ts'
import { hasStaticInputs } from './static-shapes.ts'

export interface AbsorbOptions {
  /**
   * What to do where a reader pads with zeros, which hold less than the channel does. unpadded: leave it (exact).
   * border-map: add a constant map behind the reader (exact; an operator more, and the layer no longer fuses).
   * approximate: as published, wrong at borders.
   */
  readonly borders?: 'unpadded' | 'border-map' | 'approximate'
  /** Deviations below the mean that a channel is taken to keep to. Default 3. */
  readonly deviations?: number
}

/** A range that falls by less than this is not worth it. */
const LEAST_GAIN = 0.01

/**
 * Absorbs high biases (arXiv 1906.04721, section 4.1): c = max(0, m − 3d), and not above the observed minimum where there is
 * one, is taken from a layer's bias and given to all layers that read it, b2[o] += Σ W2[o,i,u]·c[i]; caps move with it.
 * Without an activation between them c = m, and it is exact. Otherwise relu(x) − c = relu(x − c) holds for x ≥ c: in 99.9 %
 * of cases for a Gaussian. Every reader must take part, else the layer is left, with the reason.
 *
 * Off by default: m − 3d is not a safe bound, and in trials it gained nothing that equalisation by noise had not.
 * @example
 * ```ts
 * const { model: absorbed, changes } = absorbBias(model, { shapes, statistics }, { borders: 'border-map' })
 * ```
 */
export function absorbBias(model: Model, context: RewriteContext, options: AbsorbOptions = {}): RewriteResult {
  const mapped = options.borders === 'border-map' && hasStaticInputs(model)
  const settings = {
    shapes: context.shapes,
    borders: mapped || options.borders === 'approximate',
    mapped,
    deviations: options.deviations ?? 3,
  }
  return editModel(model, context, (editor, log) => {
    for (const node of editor.graph.nodes.slice()) {
      const statistics = log.statistics.get(node.outputs[0] ?? '')
      const layer = statistics && foldableLayer(editor, node)
      if (!layer || typeof layer === 'string' || statistics.mean.length !== layer.view.outputs) continue
      const why = absorb(editor, log, { layer, statistics }, settings)
      if (why) log.left(node, why)
    }
  })
}

/** As a pass with the default options. */
export const absorbBiasPass: Rewrite = defineRewrite({
  name: 'absorb-bias',
  kind: 'bounded',
  summary: 'moves what a channel always holds from its bias into the layers that read it',
  boundDb: 30,
  needs: 'statistics',
  apply: (model, context) => absorbBias(model, context),
})

interface Settings {
  readonly shapes: Shapes
  readonly borders: boolean
  readonly mapped: boolean
  readonly deviations: number
}

/** A layer, and what is known of the channels that it makes. */
interface ObservedLayer {
  readonly layer: ViewedLayer
  readonly statistics: ChannelStatistics
}

/** Absorbs one layer's bias, or says why not; undefined also when there is nothing to gain. */
function absorb(
  editor: GraphEditor,
  log: PassLog,
  { layer, statistics }: ObservedLayer,
  settings: Settings,
): string | undefined {
  const { shapes } = settings
  const { node, facts } = layer
  if (facts.bias === undefined) return `a ${node.opType} has no bias to take from`
  const path = activationsBehind(editor, node.outputs[0] ?? '')
  if (typeof path === 'string') return path
  const shift = shiftOf(editor, statistics, path, settings.deviations)
  const caps = path.map((step) => capOf(editor, step, shift.length))
  if (!worthIt(statistics, shift, caps)) return undefined
  const value = path.at(-1)?.outputs[0] ?? node.outputs[0] ?? ''
  const affine = { scale: new Float64Array(shift.length).fill(1), shift }
  const receivers = receiversOf({ editor, shapes, affine, borders: settings.borders }, value)
  if (typeof receivers === 'string') return receivers
  if (receivers.length === 0) return 'nothing reads it'
  const unmapped =
    settings.mapped && receivers.find(({ layer: reader }) => hasBorder(reader) && !isMappable(reader, shapes))
  if (unmapped) return `the borders of ${unmapped.layer.name} are not known: run explicit-pads first`

  writeLayer(
    editor,
    layer,
    (weight) => weight,
    biasOf(layer).map((bias, o) => bias - (shift[o] ?? 0)),
  )
  for (const step of path) moveBounds(editor, step, shift, shapes)
  for (const receiver of receivers) receive(editor, receiver, shift, settings)
  for (const moved of new Set([node.outputs[0] ?? '', value])) {
    const known = log.statistics.get(moved)
    if (known) log.statistics.set(moved, shifted(known, shift))
  }
  forgetBehind(editor, log, value)
  const names = receivers.map(({ layer: reader }) => reader.name).join(', ')
  log.changed(
    node,
    `${shift.filter((c) => c !== 0).length} channels moved up to ${Math.max(...shift).toPrecision(3)} into ${names}`,
  )
  return undefined
}

/** The activations right behind a layer, each the only reader of the one before: Relu, LeakyRelu, PRelu, Clip, Min. */
function activationsBehind(editor: GraphEditor, value: string): Node[] | string {
  const path: Node[] = []
  for (let current = value; ; ) {
    const next = editor.soleConsumer(current)
    if (!next || next.inputs[0] !== current) return path
    const isMin = isOp(next, 'Min') && next.inputs.length === 2 && editor.constant(next.inputs[1]) !== undefined
    const bounds = isOp(next, 'Clip') ? clipBounds(next, (name) => editor.constant(name)) : undefined
    if (isOp(next, 'Clip') && bounds?.low !== 0) return 'its Clip does not begin at 0'
    if (!isMin && !isOp(next, 'Relu', 'LeakyRelu', 'PRelu', 'Clip')) return path
    path.push(next)
    current = next.outputs[0] ?? ''
  }
}

/** How much each channel gives: m without an activation; else what it holds at the least, below its cap. */
function shiftOf(editor: GraphEditor, known: ChannelStatistics, path: readonly Node[], k: number): Float64Array {
  if (path.length === 0) return known.mean.slice()
  const caps = path.map((node) => capOf(editor, node, known.mean.length))
  return known.mean.map((mean, c) => {
    const low = Math.min(mean - k * (known.deviation[c] ?? 0), known.min?.[c] ?? Number.POSITIVE_INFINITY)
    const room = caps.every((cap) => (cap[c] ?? 0) > low)
    return room ? Math.max(0, low) : 0
  })
}

function capOf(editor: GraphEditor, node: Node, channels: number): Float64Array {
  const all = (bound: number) => new Float64Array(channels).fill(bound)
  if (isOp(node, 'Clip')) return all(clipBounds(node, (name) => editor.constant(name))?.high ?? 0)
  const tensor = isOp(node, 'Min') ? editor.constant(node.inputs[1]) : undefined
  if (!tensor) return all(Number.POSITIVE_INFINITY)
  const values = doublesOf(tensor)
  return values.length === channels ? values : values.length === 1 ? all(values[0] ?? 0) : all(0)
}

/** Does the largest value behind the activation fall by a hundredth? */
function worthIt(
  { mean, deviation, max }: ChannelStatistics,
  shift: Float64Array,
  caps: readonly Float64Array[],
): boolean {
  const tops = mean.map((m, c) =>
    caps.reduce((top, cap) => Math.min(top, cap[c] ?? top), max?.[c] ?? m + 3 * (deviation[c] ?? 0)),
  )
  const largest = (values: Float64Array) => values.reduce((most, x) => Math.max(most, x), 0)
  const before = largest(tops)
  return shift.some((c) => c !== 0) && largest(tops.map((top, c) => top - (shift[c] ?? 0))) <= (1 - LEAST_GAIN) * before
}

function moveBounds(editor: GraphEditor, node: Node, shift: Float64Array, shapes: Shapes): void {
  if (isOp(node, 'Clip')) {
    const high = capOf(editor, node, shift.length).map((cap, c) => cap - (shift[c] ?? 0))
    boundChannels(editor, node, { low: new Float64Array(shift.length), high, axis: 1 }, shapes)
  }
  const tensor = isOp(node, 'Min') ? editor.constant(node.inputs[1]) : undefined
  if (!tensor) return
  const caps = capOf(editor, node, shift.length).map((cap, c) => cap - (shift[c] ?? 0))
  const rank = shapes.get(node.outputs[0] ?? '')?.dims.length ?? tensor.shape.length
  const shape = [shift.length, ...Array<number>(Math.max(0, rank - 2)).fill(1)]
  editor.setConstant(node, 1, floatTensor(tensor.dtype, shape, caps))
}

const isMappable = ({ node }: ViewedLayer, shapes: Shapes): boolean =>
  stringAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET' &&
  shapes.has(node.inputs[0] ?? '') &&
  shapes.has(node.outputs[0] ?? '')

function receive(editor: GraphEditor, receiver: Receiver, shift: Float64Array, { mapped, shapes }: Settings): void {
  if (mapped && hasBorder(receiver.layer)) addBorderMap(editor, receiver.layer, shift, shapes)
  else foldForward(editor, receiver, { scale: new Float64Array(shift.length).fill(1), shift })
}

function shifted(known: ChannelStatistics, shift: Float64Array): ChannelStatistics {
  const down = (values: Float64Array) => values.map((value, c) => value - (shift[c] ?? 0))
  return {
    ...known,
    mean: down(known.mean),
    ...(known.min ? { min: down(known.min) } : {}),
    ...(known.max ? { max: down(known.max) } : {}),
  }
}

/** Pools and movements between the activation and its readers hold other numbers now. */
function forgetBehind(editor: GraphEditor, log: PassLog, value: string): void {
  for (const node of editor.consumers(value)) {
    if (factsOf(node).layer) continue
    for (const output of node.outputs) {
      log.statistics.delete(output)
      forgetBehind(editor, log, output)
    }
  }
}
