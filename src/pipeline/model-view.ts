// A model as a page draws it: nodes with who feeds whom, layers with their cost, channels of one layer.
import { InputError } from '../base/index.ts'
import {
  channelRanges,
  constantsOf,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
  opsetOf,
  readsOf,
} from '../onnx/index.ts'
import { type LayerRow, spreadOf, summarizeRanges } from '../report/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { channelRows } from './channel-rows.ts'
import { inspect } from './inspect.ts'

/** A node of the drawing. `from` are places in the list of nodes. */
export interface DrawnNode {
  readonly name: string
  readonly op: string
  readonly from: readonly number[]
  /** Place in the list of layers. */
  readonly layer?: number
}

export interface DrawnLayer {
  readonly name: string
  readonly op: string
  readonly parameters: number
  readonly sizeBytes: number
  /** Bits of a weight. */
  readonly bits?: number
  readonly shape: readonly number[]
  /** Largest ÷ median range of its output channels. */
  readonly rangeSpread?: number
  readonly outliers?: number
}

export interface ModelView {
  readonly path: string
  readonly name: string
  readonly sizeBytes: number
  readonly opset: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly nodes: readonly DrawnNode[]
  readonly layers: readonly DrawnLayer[]
  readonly notes: readonly string[]
}

/** The drawing of a model. */
export function viewOfModel(model: Model, file: Pick<ModelView, 'path' | 'name' | 'sizeBytes'>): ModelView {
  const layers = drawnLayers(model)
  const places = new Map(layers.map(({ node }, index) => [node, index]))
  return {
    ...file,
    opset: opsetOf(model),
    inputs: model.graph.inputs.map(
      ({ name, dtype, shape }) => `${name} ${dtype ?? ''}[${shape?.map((dim) => dim ?? '?').join('×') ?? ''}]`,
    ),
    outputs: model.graph.outputs.map(({ name }) => name),
    nodes: drawnNodes(model, places),
    layers: layers.map(({ row }) => row),
    notes: model.notes,
  }
}

/** Multiply-accumulates of each layer by name, from a run on zeros. */
export async function costsOf(model: Model, runtime: Runtime): Promise<Record<string, number>> {
  const { layers } = await inspect(model, runtime)
  return Object.fromEntries(layers.flatMap(({ name, macs }) => (macs === undefined ? [] : [[name, macs]])))
}

/** One layer with its channels. @throws InputError when there is no such layer */
export function layerOfModel(model: Model, name: string, path: string): LayerRow {
  const layer = layersOf(model).find((one) => one.name === name)
  if (layer === undefined) throw new InputError(`${path} has no layer ${name}`, { file: path, node: name })
  const rows = channelRows(layer)
  return {
    name,
    op: layer.node.opType,
    parameters: layer.weight.size + (layer.bias?.size ?? 0),
    ...(rows ? { rangeSpread: spreadOf(rows.ranges), ...rows } : {}),
  }
}

interface Drawn {
  readonly node: Node
  readonly row: DrawnLayer
}

function drawnLayers(model: Model): Drawn[] {
  const plain = new Map(layersOf(model).map((layer) => [layer.node, layer]))
  const producers = producersOf(model)
  const constants = constantsOf(model.graph)
  return model.graph.nodes.flatMap((node): Drawn[] => {
    const layer = plain.get(node)
    if (layer) return [{ node, row: plainRow(layer) }]
    // In a quantised model the weight stands behind a DequantizeLinear.
    const behind = producers.get(node.inputs[1] ?? '')
    const codes = behind?.opType === 'DequantizeLinear' ? constants(behind.inputs[0]) : undefined
    if (codes === undefined || !/^(Conv|ConvTranspose|Gemm|MatMul)$/.test(node.opType)) return []
    return [{ node, row: { name: nodeName(node), op: node.opType, parameters: codes.size, ...storage(codes) } }]
  })
}

function plainRow(layer: Layer): DrawnLayer {
  const { name, node, weight, bias } = layer
  const figures = channelRanges(layer)
  const ranges = figures && summarizeRanges(figures.min, figures.max)
  return {
    name,
    op: node.opType,
    parameters: weight.size + (bias?.size ?? 0),
    ...storage(weight),
    ...(ranges ? { rangeSpread: spreadOf(ranges), outliers: ranges.outlierCount } : {}),
  }
}

function storage(weight: Layer['weight']): Pick<DrawnLayer, 'sizeBytes' | 'bits' | 'shape'> {
  const bits = Number(/\d+/.exec(weight.dtype)?.[0] ?? Number.NaN)
  const known = Number.isFinite(bits) ? { bits } : {}
  return { sizeBytes: Math.ceil((weight.size * (known.bits ?? 32)) / 8), ...known, shape: weight.shape }
}

function producersOf(model: Model): Map<string, Node> {
  return new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
}

/** Inputs, nodes that compute something, outputs; constants are not nodes. */
function drawnNodes(model: Model, layers: ReadonlyMap<Node, number>): DrawnNode[] {
  const constants = constantsOf(model.graph)
  const nodes: DrawnNode[] = []
  const places = new Map<string, number>()
  for (const { name } of model.graph.inputs) {
    places.set(name, nodes.length)
    nodes.push({ name, op: 'Input', from: [] })
  }
  // What is computed from constants alone is a constant too: thousands of weights made by ConstantOfShape are not nodes.
  const fixed = new Set<string>()
  for (const node of model.graph.nodes) {
    const reads = [...readsOf(node)]
    if (
      reads.every((value) => fixed.has(value) || constants(value) !== undefined) &&
      !/^(Random|Bernoulli|Multinomial)/.test(node.opType)
    ) {
      for (const output of node.outputs) fixed.add(output)
      continue
    }
    const layer = layers.get(node)
    for (const output of node.outputs) places.set(output, nodes.length)
    nodes.push({
      name: nodeName(node),
      op: node.opType,
      from: feedersOf(reads, places),
      ...(layer === undefined ? {} : { layer }),
    })
  }
  for (const { name } of model.graph.outputs) nodes.push({ name, op: 'Output', from: feedersOf([name], places) })
  return nodes
}

function feedersOf(values: readonly string[], places: ReadonlyMap<string, number>): number[] {
  return [...new Set(values.flatMap((value) => places.get(value) ?? []))]
}
