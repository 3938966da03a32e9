// The biases of a finished Q/DQ file as a trainee: its own pairs, simulated, whatever made them.
import type { Watch } from '../../base/index.ts'
import { codeRange, dequantize, type QuantType, roundToEven } from '../../math/index.ts'
import { GraphEditor, intAttribute, isOp, type Model, type Node, Tensor } from '../../onnx/index.ts'
import { slotsOf, withTensors } from '../../quantize/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import type { Arrays } from '../loop/state.ts'
import { logitsOf } from '../loss/logits.ts'
import type { LossTerm } from '../loss/terms.ts'
import type { Parameter } from '../parameters.ts'
import { prepareModel } from '../prepare.ts'
import { addFakeQuant } from '../rules/fake-quant.ts'
import type { Trainee } from '../trainee.ts'
import { buildTrainingGraph } from '../training-graph.ts'
import { valuesOf } from '../values.ts'

export interface QdqTraineeOptions extends Watch {
  readonly batch: number
  readonly loss: readonly LossTerm[]
  readonly teacher: Model
}

/** Biases of a Q/DQ model to train, weights and scales as they are; undefined when no layer has a bias. */
export async function qdqTrainee(
  runtime: Runtime,
  quantized: Model,
  sample: Values,
  options: QdqTraineeOptions,
): Promise<Trainee | undefined> {
  const { model, parameters } = withFloatConstants(quantized)
  if (parameters.length === 0) return undefined
  const prepared = await prepareModel(runtime, model, sample, { ...options, batchNorm: 'training', asItIs: true })
  const graph = await buildTrainingGraph(prepared, {
    parameters,
    loss: options.loss,
    transform: (g) => ({ parameters: [], renamed: simulatePairs(g) }),
    teacherLogits: logitsOf(options.teacher),
  })
  const initial = valuesOf(prepared.model, graph.parameters)
  return {
    prepared,
    graph,
    initial,
    exported: (values) => withBiasCodes(quantized, values),
    notes: [],
  }
}

/** Name of a layer's trained bias. */
const biasName = (layer: string) => `train/bias/${layer}`

/** Constants behind DQ become float; the biases of layers get names of their own. */
export function withFloatConstants(quantized: Model): { model: Model; parameters: Parameter[] } {
  const editor = new GraphEditor(quantized)
  for (const node of editor.nodes('DequantizeLinear')) {
    const float = dequantized(editor, node)
    if (!float) continue
    const output = node.outputs[0] ?? ''
    const name = editor.addTensor(`${output}/float`, float)
    editor.redirect(output, name)
    editor.removeNode(node)
  }
  const parameters: Parameter[] = []
  for (const { name, bias } of slotsOf(quantized).values()) {
    const node = editor.nodes().find((candidate) => candidate.name === name)
    if (!node || !bias) continue
    const slot = 'float' in bias ? undefined : 2
    const reader = slot === undefined ? editor.consumers('float' in bias ? bias.float : '')[0] : node
    const index = slot ?? reader?.inputs.indexOf('float' in bias ? bias.float : '') ?? -1
    const tensor = reader && index >= 0 ? editor.constant(reader.inputs[index]) : undefined
    if (!reader || !tensor) continue
    const own = editor.setConstant(reader, index, tensor, biasName(name))
    parameters.push({ name: own, kind: 'bias', dims: tensor.shape, node: name })
  }
  return { model: editor.finish(), parameters }
}

function dequantized(editor: GraphEditor, node: Node): Tensor | undefined {
  const [codes, scale, zero] = node.inputs.map((input) => editor.constant(input))
  if (!codes || !scale) return undefined
  const scales = scale.floats()
  const axis = scales.length === 1 ? undefined : intAttribute(node, 'axis', 1)
  const zeros = Int32Array.from(zero ? zero.numbers() : new Array<number>(scales.length).fill(0))
  const params = {
    dtype: 'int8' as QuantType,
    scale: scales,
    zeroPoint: zeros,
    ...(axis === undefined ? {} : { axis: axis < 0 ? axis + codes.shape.length : axis }),
  }
  // `dequantize` only subtracts and multiplies; 32-bit codes are numbers like others to it.
  const values = codes.values()
  if (!(values instanceof Int8Array || values instanceof Uint8Array || values instanceof Int32Array)) return undefined
  const floats =
    values instanceof Int32Array
      ? Float32Array.from(values, (code, i) => code * (scales[scales.length === 1 ? 0 : i] ?? 1))
      : dequantize(values, params, codes.shape)
  return Tensor.from('float32', codes.shape, floats)
}

/** Q, perhaps a Min on the codes, and DQ become one fake quantisation with the pair's scale, which stays. */
export function simulatePairs(g: Emitter): Map<string, string> {
  const { editor } = g
  const renamed = new Map<string, string>()
  for (const end of editor.nodes('DequantizeLinear')) {
    let from = editor.producer(end.inputs[0] ?? '')
    let cap: number | undefined
    if (from && isOp(from, 'Min')) {
      cap = editor.constant(from.inputs[1])?.numbers()[0]
      from = editor.producer(from.inputs[0] ?? '')
    }
    if (!from || !isOp(from, 'QuantizeLinear')) continue
    const scale = editor.constant(end.inputs[1])
    const zero = editor.constant(end.inputs[2])
    if (scale?.size !== 1) continue
    const { low, high } = codeRange((zero?.dtype ?? 'uint8') as QuantType)
    const z = zero?.numbers()[0] ?? 0
    const output = end.outputs[0] ?? ''
    const step = g.constant(Tensor.from('float32', [], [scale.floats()[0] ?? 1]))
    const fake = addFakeQuant(g, from.inputs[0] ?? '', step, {
      low: low - z,
      high: Math.min(high, cap ?? high) - z,
      outer: true,
    })
    editor.redirect(output, fake)
    renamed.set(output, fake)
  }
  return renamed
}

/** Trained biases on the grids of the file. */
function withBiasCodes(quantized: Model, values: Arrays): Model {
  const tensors = new Map<string, Tensor>()
  const constants = quantized.graph.initializers
  for (const { name, bias } of slotsOf(quantized).values()) {
    const trained = values.get(biasName(name))
    if (!trained || !bias) continue
    if ('float' in bias) {
      const old = constants.get(bias.float)
      if (old) tensors.set(bias.float, Tensor.from('float32', old.shape, trained.slice()))
      continue
    }
    const [codes, scale] = [constants.get(bias.codes), constants.get(bias.scale)?.floats()]
    if (!codes || !scale) continue
    const next = Int32Array.from(trained, (x, o) => {
      const code = roundToEven(x / (scale[scale.length === 1 ? 0 : o] ?? 1))
      return Math.min(Math.max(code, -(2 ** 31) + 1), 2 ** 31 - 1)
    })
    tensors.set(bias.codes, Tensor.from('int32', codes.shape, next))
  }
  return withTensors(quantized, tensors)
}
