// Outlier channels apart: x·W = x̃·W̃ + x[o]·W[o]. The large product sees its input without the few channels whose range is many
// times that of the others; a small one, which stays in float, adds what they bring.
import {
  type ChannelGraph,
  GraphEditor,
  intAttr,
  isOp,
  type Layer,
  type Model,
  type Node,
  nodeName,
  type Shapes,
  type Statistics,
  Tensor,
} from '../onnx/index.ts'
import { openGraph } from './equalize/open-graph.ts'
import { noiseProblem } from './equalize/problem.ts'
import { type EqualizeOptions, noiseGrids } from './equalize.ts'
import { doublesOf, floatTensor } from './float-tensor.ts'
import { chooseOutliers, type OutlierSite } from './outliers/choose.ts'
import { EXACT_BOUND_DB, type Rewrite, type RewriteResult } from './rewrite.ts'

/** A value and its outlier channels, in ascending order. */
export type Outliers = Readonly<Record<string, readonly number[]>>

export interface Separated extends RewriteResult {
  /** Values of outlier channels: what reads them stays in float. */
  readonly apart: readonly string[]
}

/** What a proof of it asks for. */
export const separateOutliersRule: Pick<Rewrite, 'name' | 'kind' | 'boundDb'> = {
  name: 'separate-outliers',
  kind: 'exact',
  boundDb: EXACT_BOUND_DB,
}

/**
 * The outlier channels worth a product of their own (LLM.int8(), arXiv 2208.07339, has the decomposition; which channels, and
 * whether, is decided by the noise model after the best scaling). Needs minimum and maximum of what layers read.
 */
export function findOutliers(model: Model, shapes: Shapes, statistics: Statistics, options: EqualizeOptions): Outliers {
  const graph = openGraph(model, shapes)
  const known = { model, graph, statistics }
  const { layers } = noiseProblem(known, noiseGrids(options), () => -1)
  const sites = chooseOutliers(known, shapes, new Map(layers.map((layer) => [layer.name, layer])))
  return Object.fromEntries(sites.map(({ value, channels }) => [value, channels]))
}

/** Puts outlier channels apart. Exact but for the order of sums. */
export function separateOutliers(model: Model, shapes: Shapes, statistics: Statistics, outliers: Outliers): Separated {
  const graph = openGraph(model, shapes)
  const editor = new GraphEditor(model)
  const apart: string[] = []
  const changes: string[] = []
  for (const site of sitesOf(graph, outliers)) {
    apart.push(separate(editor, site))
    for (const layer of site.layers) changes.push(`${layer.name}: ${site.channels.length} of its input channels apart`)
  }
  if (changes.length === 0) return { model, statistics, changes, skipped: [], apart }
  return { model: editor.finish(), statistics, changes, skipped: [], apart }
}

function sitesOf(graph: ChannelGraph, outliers: Outliers): OutlierSite[] {
  return Object.entries(outliers).map(([value, channels]) => ({
    value,
    channels,
    layers: graph.layers.flatMap(({ layer }) => (layer.node.inputs[0] === value && layer.view ? [layer] : [])),
  }))
}

/** @returns the value of the outlier channels */
function separate(editor: GraphEditor, { value, channels, layers }: OutlierSite): string {
  const count = layers[0]?.view?.inputsPerGroup ?? 0
  const mask = new Float32Array(count).fill(1)
  for (const c of channels) mask[c] = 0
  const indices = editor.addTensor(
    `${value}/outliers`,
    Tensor.from('int64', [channels.length], BigInt64Array.from(channels, BigInt)),
  )
  const picked = editor.freshName(`${value}/apart`)
  const rest = editor.freshName(`${value}/rest`)
  const zeros = editor.addTensor(`${value}/mask`, Tensor.from('float32', [count], mask))
  const rank = { axis: intAttr(-1) }
  editor.addNode({
    opType: 'Gather',
    name: editor.freshNodeName(`${value}/apart`),
    inputs: [value, indices],
    outputs: [picked],
    attributes: rank,
  })
  editor.addNode({
    opType: 'Mul',
    name: editor.freshNodeName(`${value}/rest`),
    inputs: [value, zeros],
    outputs: [rest],
  })
  for (const layer of layers) separateLayer(editor, layer, { channels, picked, rest })
  return picked
}

interface Parts {
  readonly channels: readonly number[]
  readonly picked: string
  readonly rest: string
}

function separateLayer(editor: GraphEditor, layer: Layer, { channels, picked, rest }: Parts): void {
  const { view, weight, weightIndex, alpha } = layer
  const node = editor.producer(layer.node.outputs[0] ?? '')
  if (!view || !node) return
  const values = doublesOf(weight)
  const apart = new Float64Array(channels.length * view.outputs)
  for (const [k, c] of channels.entries())
    for (let o = 0; o < view.outputs; o++) {
      const at = view.offset(o) + c * view.inputStride
      apart[k * view.outputs + o] = alpha * (values[at] ?? 0)
      values[at] = 0
    }
  editor.setInput(node, 0, rest)
  editor.setConstant(node, weightIndex, floatTensor(weight.dtype, weight.shape, values))
  const rows = floatTensor(weight.dtype, [channels.length, view.outputs], apart)
  const name = `${nodeName(node)}/apart`
  const small = editor.freshName(`${node.outputs[0]}/apart`)
  editor.addNode({ opType: 'MatMul', name, inputs: [picked, editor.addTensor(name, rows)], outputs: [small] })
  addBehind(editor, withBias(editor, node), small, name)
}

/** The Add of a constant vector behind a layer, which is its bias; without one the layer. */
function withBias(editor: GraphEditor, node: Node): Node {
  const next = editor.soleConsumer(node.outputs[0] ?? '')
  const bias = next && isOp(next, 'Add') && next.inputs.some((name) => editor.constant(name)?.shape.length === 1)
  return bias ? next : node
}

function addBehind(editor: GraphEditor, node: Node, value: string, name: string): void {
  const output = node.outputs[0] ?? ''
  const before = editor.freshName(`${output}/rest`)
  editor.setOutput(node, 0, before)
  editor.addNode({ opType: 'Add', name: `${name}/sum`, inputs: [before, value], outputs: [output] })
}
