// The plan as fake quantisation in a training graph: a pair of the written file is one node here, in the same place.
import type { QuantParams } from '../../math/index.ts'
import { type Model, nodeName, Tensor } from '../../onnx/index.ts'
import { layersIn, type Plan } from '../../quantize/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import type { Parameter } from '../parameters.ts'
import { addFakeQuant } from '../rules/fake-quant.ts'
import type { Transformed } from '../training-graph.ts'
import { type ActivationBits, scaleDims, scaleNames, spanOf, topCode } from './grids.ts'

export interface FakePlanOptions {
  /** The model that the plan was made for. */
  readonly model: Model
  readonly plan: Plan
  readonly activationBits: ActivationBits
  /** Samples in a batch: a scale's gradient is scaled by the elements of one sample. */
  readonly batch: number
}

/** Puts fake quantisation where insertQdq puts Q/DQ; all scales become inputs that are trained. */
export function fakePlan(g: Emitter, { model, plan, activationBits, batch }: FakePlanOptions): Transformed {
  const parameters: Parameter[] = []
  const initial = new Map<string, Tensor>()
  const renamed = new Map<string, string>()
  const scaleInput = (name: string, dims: readonly number[], node: string, { scale }: QuantParams): string => {
    parameters.push({ name, kind: 'scale', dims, node })
    initial.set(name, Tensor.from('float32', dims, scale))
    return g.input(name, dims)
  }
  // Nodes of the graph may have been written out in others: what stays are the values.
  const made = new Map(g.editor.nodes().flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const outputs = new Map(model.graph.nodes.map((node) => [nodeName(node), node.outputs[0] ?? '']))
  const outputOf = (name: string) => outputs.get(name) ?? ''
  const integer = new Set([...plan.placement.integer].map((name) => made.get(outputOf(name))))
  // What comes out of a cap on codes has no pair of its own.
  const capped = new Set([...plan.placement.caps.values()].map(outputOf))
  for (const [value, grid] of plan.activations) {
    if (capped.has(value)) continue
    const placed = plan.placement.tensors.get(value)
    // Codes that are only moved stay on their grid: the pair behind them changes nothing.
    if (!placed || placed.gridOf !== value) continue
    const span = spanOf(grid, activationBits)
    const readers = g.editor.consumers(value)
    const scale = scaleInput(scaleNames.activation(value), [], value, grid.params)
    const elements = g.size(value) / batch
    const gradientScale = 1 / Math.sqrt(elements * Math.max(1, span.high))
    const fake = addFakeQuant(g, value, scale, { ...span, gradientScale })
    for (const reader of readers) {
      if (!placed.integerProducer && !integer.has(reader)) continue
      for (let i = 0; i < reader.inputs.length; i++) if (reader.inputs[i] === value) g.editor.setInput(reader, i, fake)
    }
    if (placed.integerProducer) renamed.set(value, fake)
  }
  for (const layer of layersIn(model, plan.weights)) {
    const { name, node } = layer
    const [params, copy] = [plan.weights.get(name), made.get(outputOf(name))]
    if (!params || !copy) continue
    const high = topCode(plan, name)
    const weight = copy.inputs[layer.weightIndex] ?? ''
    const scale = scaleInput(scaleNames.weight(name), scaleDims(layer, params), name, params)
    const elements = layer.weight.size / params.scale.length
    const options = { low: -high, high, gradientScale: 1 / Math.sqrt(elements * high) }
    g.editor.setInput(copy, layer.weightIndex, addFakeQuant(g, weight, scale, options))
    const input = plan.placement.tensors.get(node.inputs[0] ?? '')?.gridOf
    if (layer.bias && copy.inputs[2] && input !== undefined)
      g.editor.setInput(copy, 2, roundedBias(g, copy.inputs[2], scaleNames.activation(input), scale))
  }
  return { parameters, initial, renamed }
}

/** An int32 bias has steps of input scale × weight scale: with few bits they are too coarse to be passed over. */
function roundedBias(g: Emitter, bias: string, inputScale: string, weightScale: string): string {
  const flat = g.reshape(weightScale, g.dims(weightScale).length === 0 ? [] : [g.size(weightScale)])
  const top = 2 ** 31 - 1
  return addFakeQuant(g, bias, g.times(flat, inputScale), { low: -top, high: top, fixed: true })
}
