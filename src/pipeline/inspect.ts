// What a model is made of: inputs, outputs, and each layer with its cost and how uneven its channels are.
import { isValueType, makeArray, messageOf, setElement, sizeOf, type TensorValue } from '../base/index.ts'
import { concreteShapes } from '../data/index.ts'
import {
  allNodes,
  channelRanges,
  constantOf,
  inlineFunctions,
  isFloat,
  isOp,
  type Layer,
  layersOf,
  type Model,
  macsOf,
  opsetOf,
  otherProducts,
  type Part,
  partsOf,
  rangeSpread,
  refuseGiants,
  type Shapes,
  type ValueInfo,
} from '../onnx/index.ts'
import { computedConstants, foldConstants } from '../rewrite/index.ts'
import { observeShapes, type Runtime } from '../runtime/index.ts'
import { comparedConstants } from './compared-constants.ts'
import { subGraphNotes } from './sub-graphs.ts'

/** One layer: a Conv, ConvTranspose, Gemm or MatMul with a constant weight. */
export interface InspectedLayer {
  readonly name: string
  readonly op: string
  /** Absent when the model could not be run on inputs of a sensible size. */
  readonly macs?: number
  readonly parameters: number
  /** Can its weight be quantised per channel? */
  readonly quantizable: boolean
  readonly reason?: string
  /** Largest ÷ median range of its output channels. */
  readonly rangeSpread?: number
}

export interface Inspection {
  readonly opset: number
  readonly irVersion: number
  readonly inputs: readonly DeclaredValue[]
  readonly outputs: readonly DeclaredValue[]
  /** Float values in initialisers and Constant nodes, sub-graphs included. */
  readonly parameters: number
  readonly macs?: number
  readonly layers: readonly InspectedLayer[]
  /** Where the parameters are, the largest part first. */
  readonly parts: readonly Part[]
  readonly notes: readonly string[]
}

export type DeclaredValue = Omit<ValueInfo, 'raw'>

/** Bytes of weights that are read from data files just to look at them. */
const MOST_READ = 500e6

/** Bytes of weights in data files that are more than a look is worth; else 0. */
export function bytesLeftOnDisk(layers: readonly Layer[]): number {
  const bytes = layers.reduce((sum, { weight }) => sum + (weight.stored?.byteLength ?? 0), 0)
  return bytes > MOST_READ ? bytes : 0
}

/**
 * Inspects a model, its own functions written out. With a runtime the model is run once on zeros to observe shapes; free
 * dimensions get small values unless they are given. When that fails, costs are left out and `notes` says why.
 */
export async function inspect(
  given: Model,
  runtime?: Runtime,
  sizes: Readonly<Record<string, readonly number[]>> = {},
): Promise<Inspection> {
  const { model } = inlineFunctions(given)
  const notes = [...model.notes, ...subGraphNotes(model)]
  let shapes: Shapes = new Map()
  const found = layersOf(withConstantWeights(model))
  const onDisk = bytesLeftOnDisk(found)
  const large = onDisk > 0
  if (large)
    notes.push(
      `${(onDisk / 1e9).toFixed(1)} GB of weights stay on disk, where at most ${MOST_READ / 1e6} MB are looked at: how uneven channels are is left out, and so are multiply-accumulates unless --shape is given`,
    )
  if (runtime && (!large || Object.keys(sizes).length > 0)) {
    const taken = takenShapes(model, sizes)
    try {
      refuseGiants(model, 'the model', computedConstants)
      shapes = await observeShapes(runtime, model, zeroFeeds(model, sizes))
      if (taken !== '') notes.push(`multiply-accumulates are those at ${taken}; --shape changes it`)
    } catch (error) {
      const again = taken === '' ? '' : `; free sizes were taken as ${taken}: give others with --shape`
      notes.push(`multiply-accumulates are unknown: ${messageOf(error)}${again}`)
    }
  }
  const layers = found.map((layer): InspectedLayer => {
    const macs = macsOf(layer, shapes)
    const ranges = layer.weight.stored && large ? undefined : channelRanges(layer)
    const float = isFloat(layer.weight.dtype)
    const reason = float ? undefined : `its weight is ${layer.weight.dtype}`
    return {
      name: layer.name,
      op: layer.node.opType,
      ...(macs === undefined ? {} : { macs }),
      parameters: layer.weight.size + (layer.bias?.size ?? 0),
      quantizable: float,
      ...(reason ? { reason } : {}),
      ...(ranges ? { rangeSpread: rangeSpread(ranges) } : {}),
    }
  })
  const others = otherProducts(model, shapes)
  const known = layers.length + others.ops.length > 0 && layers.every((layer) => layer.macs !== undefined)
  const counted = others.ops.filter(({ macs }) => macs !== undefined)
  const unknown = others.ops.filter(({ macs }) => macs === undefined)
  const words = (ops: typeof unknown) => ops.map(({ op, count }) => `${count} ${op}`).join(', ')
  if (shapes.size > 0 && counted.length > 0)
    notes.push(
      `multiply-accumulates include those of ${words(counted)}, which are not layers with weights of their own`,
    )
  if (shapes.size > 0 && unknown.length > 0)
    notes.push(`multiply-accumulates of ${words(unknown)} are not counted: their sizes are not known`)
  return {
    opset: opsetOf(model),
    irVersion: model.irVersion,
    inputs: model.graph.inputs.map(declared),
    outputs: model.graph.outputs.map(declared),
    parameters: countParameters(model),
    ...(known && shapes.size > 0
      ? { macs: [...layers, ...others.ops].reduce((sum, { macs = 0 }) => sum + macs, 0) }
      : {}),
    layers,
    parts: partsOf(model),
    notes,
  }
}

/** The model with weights where a quantisation finds them, also those that the file has behind Transpose and the like. */
function withConstantWeights(model: Model): Model {
  return foldConstants.apply(model, { shapes: new Map(), statistics: new Map() }).model
}

/** The sizes that free dims were given here: "x [1,3,224,224]"; '' when there are none, or all were given. */
function takenShapes({ graph }: Model, given: Readonly<Record<string, readonly number[]>>): string {
  const free = graph.inputs.filter(
    ({ name, shape }) => !Object.hasOwn(given, name) && shape?.some((dim) => typeof dim !== 'number'),
  )
  if (free.length === 0) return ''
  const shapes = concreteShapes(graph.inputs, given)
  return free.map(({ name }) => `${name} [${shapes.get(name)}]`).join(', ')
}

function declared({ name, dtype, shape }: ValueInfo): DeclaredValue {
  return { name, ...(dtype ? { dtype } : {}), ...(shape ? { shape } : {}) }
}

/** Zeros of sensible shapes for every input; what the model compares an input with, where it does. */
export function zeroFeeds(
  model: Model,
  given: Readonly<Record<string, readonly number[]>> = {},
): Record<string, TensorValue> {
  const shapes = concreteShapes(model.graph.inputs, given)
  const constants = comparedConstants(model)
  return Object.fromEntries(
    model.graph.inputs.map((input) => {
      const dims = shapes.get(input.name) ?? []
      const dtype = input.dtype && isValueType(input.dtype) ? input.dtype : 'float32'
      const data = makeArray(dtype, sizeOf(dims))
      const compared = constants[input.name]
      if (compared !== undefined) for (let i = 0; i < data.length; i++) setElement(data, i, compared)
      return [input.name, { dtype, dims, data }]
    }),
  )
}

function countParameters(model: Model): number {
  let count = 0
  const add = (tensors: Iterable<{ dtype: string; size: number }>) => {
    for (const tensor of tensors) if (/^b?float/.test(tensor.dtype)) count += tensor.size
  }
  add(model.graph.initializers.values())
  for (const node of allNodes(model.graph)) {
    const constant = isOp(node, 'Constant') ? constantOf(node) : undefined
    if (constant) add([constant])
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'graph') add(attribute.value.initializers.values())
      if (attribute.type === 'graphs') for (const graph of attribute.value) add(graph.initializers.values())
    }
  }
  return count
}
