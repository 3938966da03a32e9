// Which values' channels a rewrite wants to know of: what layers read and make, and what goes through caps and Adds.
import type { ChannelRequest } from '../calibrate/index.ts'
import { channelGraph, constantsOf, factsOf, isOp, type Model, type Shapes } from '../onnx/index.ts'
import { dataInput } from './equalize/problem.ts'

/** Requests for `channelStatistics`: every value whose channels equalisation, absorption or dead-channel folding looks at. */
export function channelRequests(model: Model, shapes: Shapes): ChannelRequest[] {
  const graph = channelGraph(model, shapes, 'scale')
  const axes = new Map<string, number>()
  const want = (value: string, fallback: number) => {
    const rank = shapes.get(value)?.dims.length ?? 0
    if (rank >= 2 && !axes.has(value)) axes.set(value, graph.of(value)?.axis ?? fallback)
  }
  for (const { layer } of graph.layers) {
    const { node } = layer
    const last = (value: string) => (shapes.get(value)?.dims.length ?? 2) - 1
    const [input, output] = [dataInput(layer), node.outputs[0] ?? '']
    want(input, isOp(node, 'MatMul') ? last(input) : 1)
    want(output, isOp(node, 'MatMul') ? last(output) : 1)
  }
  for (const node of model.graph.nodes)
    if (isOp(node, 'Add', 'Sub', 'Sum', 'Relu', 'Clip', 'LeakyRelu', 'PRelu'))
      for (const value of [node.inputs[0], ...node.outputs]) if (value && graph.of(value)) want(value, 1)
  const constants = constantsOf(model.graph)
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  return [...axes].map(([value, axis]) => {
    const producer = producers.get(value)
    const bounds = producer && factsOf(producer).bounds?.(producer, constants)
    return { value, axis, nonNegative: bounds !== undefined && bounds.low >= 0 }
  })
}
