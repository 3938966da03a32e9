// The biases of a finished Q/DQ file as what is trained: each in units of what its channel varies by.
import { roundToEven } from '../../math/index.ts'
import {
  type ChannelStatistics,
  GraphEditor,
  type Model,
  type Node,
  type Statistics,
  Tensor,
  withTensors,
} from '../../onnx/index.ts'
import { type LayerSlots, slotsOf } from '../../quantize/index.ts'
import type { Arrays } from '../loop/state.ts'
import type { Parameter } from '../parameters.ts'
import { withFloatConstants } from './qdq-simulation.ts'

type BiasSlot = NonNullable<LayerSlots['bias']>

/** The bias of a layer: what it is, and how far each of its channels deviates from its mean, both in the unit of the output. */
export interface LayerBias {
  readonly layer: string
  readonly slot: BiasSlot
  readonly dims: readonly number[]
  readonly values: Float32Array
  readonly deviation: Float32Array
}

/**
 * The biases of the layers whose output was observed.
 * @param statistics of the outputs of layers, by value
 */
export function layerBiases(quantized: Model, statistics: Statistics): LayerBias[] {
  return [...slotsOf(quantized).values()].flatMap(({ name, output, bias: slot }) => {
    const seen = statistics.get(output)
    const tensor = slot && biasTensor(quantized, slot)
    if (!slot || !seen || !tensor) return []
    const values = tensor.floats()
    return [{ layer: name, slot, dims: tensor.shape, values, deviation: deviationOf(seen, values.length) }]
  })
}

/** A layer's bias in the unit of the output. */
export function biasTensor({ graph }: Model, slot: BiasSlot): Tensor | undefined {
  if ('float' in slot) return graph.initializers.get(slot.float)
  const [codes, scale] = [graph.initializers.get(slot.codes), graph.initializers.get(slot.scale)?.floats()]
  if (!codes || !scale) return undefined
  const values = codes.numbers().map((code, c) => code * (scale[scale.length === 1 ? 0 : c] ?? 1))
  return Tensor.from('float32', codes.shape, values)
}

/** One deviation a channel; the mean of all for a bias that is not a vector of channels, and for channels that are constant. */
function deviationOf({ deviation }: ChannelStatistics, size: number): Float32Array {
  const mean = deviation.reduce((sum, each) => sum + each, 0) / Math.max(1, deviation.length) || 1
  const own = deviation.length === size
  return Float32Array.from({ length: size }, (_, c) => (own && deviation[c]) || mean)
}

/** Name of what is trained of a layer's bias. */
export function biasName(layer: string): string {
  return `train/bias/${layer}`
}

/** The model in float with b + d·u in place of each bias b, d its deviations, and u, zeros at the start, to train. */
export function withTrainableBiases(
  quantized: Model,
  biases: readonly LayerBias[],
): { model: Model; parameters: Parameter[] } {
  const editor = new GraphEditor(withFloatConstants(quantized))
  const nodes = new Map(editor.nodes().map((node) => [node.name || (node.outputs[0] ?? ''), node]))
  const parameters: Parameter[] = []
  for (const { layer, slot, dims, values, deviation } of biases) {
    const node = nodes.get(layer)
    const [reader, index] = readerOf(editor, node, slot)
    if (!reader || index < 0) continue
    const add = (opType: string, inputs: readonly string[]) => {
      const output = editor.freshName(`${biasName(layer)}/${opType}`)
      editor.addNode({ opType, inputs, outputs: [output] })
      return output
    }
    const constant = (part: string, data: Float32Array) =>
      editor.addTensor(`${biasName(layer)}${part}`, Tensor.from('float32', dims, data))
    const trained = constant('', new Float32Array(values.length))
    const moved = add('Mul', [constant('/deviation', deviation), trained])
    editor.setInput(reader, index, add('Add', [constant('/start', values), moved]))
    parameters.push({ name: trained, kind: 'bias', dims, node: layer })
  }
  return { model: editor.finish(), parameters }
}

/** The node that reads a bias and where: the layer itself, or the Add behind a MatMul. */
function readerOf(editor: GraphEditor, node: Node | undefined, slot: BiasSlot): [Node | undefined, number] {
  if (!('float' in slot)) return [node, 2]
  const reader = editor.consumers(slot.float)[0]
  return [reader, reader?.inputs.indexOf(slot.float) ?? -1]
}

/** The Q/DQ model with trained biases, on the grids of the file. A bias that did not move keeps its codes. */
export function withTrainedBiases(quantized: Model, biases: readonly LayerBias[], trained: Arrays): Model {
  const constants = quantized.graph.initializers
  const tensors = new Map<string, Tensor>()
  for (const { layer, slot, dims, values, deviation } of biases) {
    const u = trained.get(biasName(layer))
    if (!u?.some((x) => x !== 0)) continue
    const moved = values.map((b, c) => b + (deviation[c] ?? 0) * (u[c] ?? 0))
    if ('float' in slot) {
      tensors.set(slot.float, Tensor.from('float32', dims, moved))
      continue
    }
    const scale = constants.get(slot.scale)?.floats() ?? [1]
    const codes = Int32Array.from(moved, (x, c) => {
      const code = roundToEven(x / (scale[scale.length === 1 ? 0 : c] ?? 1))
      return Math.min(Math.max(code, -(2 ** 31) + 1), 2 ** 31 - 1)
    })
    tensors.set(slot.codes, Tensor.from('int32', dims, codes))
  }
  return withTensors(quantized, tensors)
}
