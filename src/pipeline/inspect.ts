// What a model is made of: inputs, outputs, and each layer with its cost and how uneven its channels are.
import { isValueType, makeArray, sizeOf, type TensorValue } from '../base/index.ts'
import {
  allNodes,
  channelRanges,
  constantOf,
  isFloat,
  isOp,
  layersOf,
  type Model,
  macsOf,
  opsetOf,
  rangeSpread,
  type Shapes,
  type ValueInfo,
} from '../onnx/index.ts'
import { observeShapes, type Runtime } from '../runtime/index.ts'

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
  readonly notes: readonly string[]
}

export type DeclaredValue = Omit<ValueInfo, 'raw'>

/**
 * Inspects a model. With a runtime the model is run once on zeros to observe shapes; a free dimension is 1 on the first
 * axis and 64 elsewhere. When that fails, costs are left out and `notes` says why.
 */
export async function inspect(model: Model, runtime?: Runtime): Promise<Inspection> {
  const notes = [...model.notes]
  let shapes: Shapes = new Map()
  if (runtime) {
    try {
      shapes = await observeShapes(runtime, model, zeroFeeds(model))
    } catch (error) {
      notes.push(`multiply-accumulates are unknown: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const layers = layersOf(model).map((layer): InspectedLayer => {
    const macs = macsOf(layer, shapes)
    const ranges = channelRanges(layer)
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
  const known = layers.length > 0 && layers.every((layer) => layer.macs !== undefined)
  return {
    opset: opsetOf(model),
    irVersion: model.irVersion,
    inputs: model.graph.inputs.map(declared),
    outputs: model.graph.outputs.map(declared),
    parameters: countParameters(model),
    ...(known ? { macs: layers.reduce((sum, layer) => sum + (layer.macs ?? 0), 0) } : {}),
    layers,
    notes,
  }
}

function declared({ name, dtype, shape }: ValueInfo): DeclaredValue {
  return { name, ...(dtype ? { dtype } : {}), ...(shape ? { shape } : {}) }
}

function zeroFeeds(model: Model): Record<string, TensorValue> {
  return Object.fromEntries(
    model.graph.inputs.map((input) => {
      const dims = (input.shape ?? []).map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : 64))
      const dtype = input.dtype && isValueType(input.dtype) ? input.dtype : 'float32'
      return [input.name, { dtype, dims, data: makeArray(dtype, sizeOf(dims)) }]
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
