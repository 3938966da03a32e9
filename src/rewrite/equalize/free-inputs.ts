// Gains of one in front of layers whose input channels cannot be scaled where they are made: behind a norm that a residual reads too,
// behind an activation that is not linear. A factor a channel can go in there, for the price of a product with a vector.
import { sizeOf } from '../../base/index.ts'
import {
  type ChannelGraph,
  dataInput,
  GraphEditor,
  isOp,
  type Layer,
  type Model,
  type Shapes,
  type Statistics,
  Tensor,
} from '../../onnx/index.ts'
import { type ReadChannels, readChannels } from './open-graph.ts'

/**
 * A gain does one multiplication for each number that the layers behind it read so often: below this they are too small for it. Maps
 * are larger than rows, and what moves a window over them is faster.
 */
const LEAST_READS = { row: 32, map: 256 }

/** A value in front of layers, and the value with a gain of its own that they read instead; the same where it has one already. */
export interface FreedInput {
  readonly value: string
  readonly scaled: string
}

/** A model with gains, and what is known of the values that they make. */
export interface WithGains {
  readonly model: Model
  readonly shapes: Shapes
  readonly freed: readonly FreedInput[]
}

/** Puts a Mul by ones in front of the layers of every value whose channels are closed. */
export function insertGains(
  model: Model,
  shapes: Shapes,
  graph: ChannelGraph,
  floatInputs: ReadonlySet<string> = new Set(),
): WithGains {
  const places = closedInputs(model, shapes, graph)
  for (const value of floatInputs) places.delete(value)
  if (places.size === 0) return { model, shapes, freed: [] }
  const editor = new GraphEditor(model)
  const known = new Map(shapes)
  const freed: FreedInput[] = []
  for (const [value, { axis, layers }] of places) {
    if (hasGain(editor, value, layers)) {
      freed.push({ value, scaled: value })
      continue
    }
    const shape = shapes.get(value)
    if (!shape) continue
    const count = shape.dims[axis] ?? 0
    const dims = [count, ...shape.dims.slice(axis + 1).map(() => 1)]
    const scaled = editor.freshName(`${value}/scaled`)
    const gain = editor.addTensor(`${value}/gain`, Tensor.from('float32', dims, new Float32Array(count).fill(1)))
    const consumers = new Set(layers.map(({ node }) => node.outputs[0]))
    const readers = editor.consumers(value).filter((node) => consumers.has(node.outputs[0]))
    editor.addNode({
      opType: 'Mul',
      name: editor.freshNodeName(`${value}/gain`),
      inputs: [value, gain],
      outputs: [scaled],
    })
    for (const reader of readers)
      for (const [index, name] of reader.inputs.entries()) if (name === value) editor.setInput(reader, index, scaled)
    known.set(scaled, shape)
    freed.push({ value, scaled })
  }
  return { model: editor.finish(), shapes: known, freed }
}

/** What a gain must take of the noise of the layers behind it: 3 dB. */
const MOST_LEFT = 0.5

/** The gains that bring too little for their product. */
export function idleGains(
  graph: ChannelGraph,
  freed: readonly FreedInput[],
  noise: readonly { readonly name: string; readonly before: number; readonly after: number }[],
): FreedInput[] {
  const known = new Map(noise.map((layer) => [layer.name, layer]))
  return freed.filter(({ value, scaled }) => {
    if (value === scaled) return false
    const readers = graph.layers.flatMap(({ layer }) =>
      dataInput(layer) === scaled ? (known.get(layer.name) ?? []) : [],
    )
    const [before, after] = [
      readers.reduce((sum, each) => sum + each.before, 0),
      readers.reduce((sum, each) => sum + each.after, 0),
    ]
    return !(after < MOST_LEFT * before)
  })
}

/** Takes the gains of these values out again: their layers read what they read before. */
export function removeGains(model: Model, gone: readonly FreedInput[]): Model {
  if (gone.length === 0) return model
  const editor = new GraphEditor(model)
  for (const { value, scaled } of gone) {
    const node = editor.producer(scaled)
    editor.redirect(scaled, value)
    if (node) editor.removeNode(node)
  }
  return editor.finish()
}

/** What is known of the values that gains make: what is known of the values in front of them. */
export function withFreed(statistics: Statistics, freed: readonly FreedInput[]): Statistics {
  if (freed.length === 0) return statistics
  const all = new Map(statistics)
  for (const { value, scaled } of freed) {
    const own = statistics.get(value)
    if (own) all.set(scaled, own)
  }
  return all
}

/** Is the value made by a product with a vector, for these layers alone? */
function hasGain(editor: GraphEditor, value: string, layers: readonly Layer[]): boolean {
  const node = editor.producer(value)
  if (!node || !isOp(node, 'Mul') || editor.isOutput(value) || editor.isCaptured(value)) return false
  const gain = node.inputs.map((name) => editor.constant(name)).find((tensor) => tensor !== undefined)
  const own = new Set(layers.map((layer) => layer.node.outputs[0]))
  return (
    gain !== undefined &&
    gain.size > 1 &&
    gain.shape.includes(gain.size) &&
    editor.consumers(value).every((consumer) => own.has(consumer.outputs[0]))
  )
}

function closedInputs(model: Model, shapes: Shapes, graph: ChannelGraph): Map<string, ReadChannels> {
  const places = readChannels(
    model,
    shapes,
    graph,
    ({ layer, input }) => isWhole(layer) && input.every((id) => graph.closed.has(id)),
  )
  for (const [value, { axis, layers }] of places) {
    const reads = layers.reduce((sum, { weight }) => sum + sizeOf(weight.shape), 0)
    const least = layers.some(({ facts }) => facts.window) ? LEAST_READS.map : LEAST_READS.row
    if (reads < least * (shapes.get(value)?.dims[axis] ?? 0)) places.delete(value)
  }
  return places
}

/** Does every output read every channel? */
const isWhole = ({ facts, view }: Layer) =>
  facts.channels === 'last' || (facts.window === 'gathers' && view?.groups === 1)
