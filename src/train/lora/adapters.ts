// Low-rank adapters: which layers get one, and what it is made of (LoRA, arXiv 2106.09685, section 4.1).
import { randomStream } from '../../math/index.ts'
import { type Layer, layersOf, type Model, type Node } from '../../onnx/index.ts'
import { movesChannels } from '../parameters.ts'

/** What is added to the weight of a layer: x·W becomes x·W + x·A·B. Layers that share a weight share its adapter. */
export interface Adapter {
  /** Name of the initialiser with W. */
  readonly weight: string
  /** The layers that read it, in graph order. */
  readonly layers: readonly Layer[]
  readonly inputs: number
  readonly outputs: number
  readonly rank: number
  /** Names of A [inputs, rank] and B [rank, outputs] as trained arrays. */
  readonly down: string
  readonly up: string
}

export interface Adapted {
  readonly adapters: readonly Adapter[]
  /** Layers with no more rows or columns than the rank: any change of theirs has it, so they are trained themselves. */
  readonly whole: readonly Layer[]
  /** Linear layers that were selected and get no adapter, and why: "head: Gather reads its weight too". */
  readonly left: readonly string[]
}

/** The linear layers of a model (Gemm and MatMul with a constant float32 matrix) that `selected` names, and their adapters. */
export function findAdapters(model: Model, rank: number, selected: (node: Node) => boolean): Adapted {
  const { initializers, nodes } = model.graph
  const readers = new Map<string, Layer[]>()
  const whole: Layer[] = []
  const left: string[] = []
  for (const layer of layersOf(model)) {
    const { node, weight, view, facts, name } = layer
    if (facts.window !== undefined || !selected(node) || movesChannels(weight)) continue
    const value = node.inputs[layer.weightIndex] ?? ''
    if (!view) left.push(`${name}: its weight is not a matrix on the right`)
    else if (weight.dtype !== 'float32' || !initializers.has(value))
      left.push(`${name}: its weight is not a float32 constant`)
    else readers.set(value, [...(readers.get(value) ?? []), layer])
  }
  const adapters: Adapter[] = []
  for (const [weight, layers] of readers) {
    const [first] = layers
    if (!first?.view) continue
    const others = nodes.filter(({ inputs }) => inputs.includes(weight))
    const other = others.find((node) => !layers.some((layer) => layer.node === node))
    const { inputsPerGroup: inputs, outputs } = first.view
    const alike = layers.every(
      ({ view }) => view?.inputsPerGroup === inputs && view.inputStride === first.view?.inputStride,
    )
    if (other || !alike)
      left.push(
        ...layers.map(
          ({ name }) =>
            `${name}: ${other ? `${other.opType} "${other.name}"` : 'another layer'} reads its weight in another way`,
        ),
      )
    else if (Math.min(inputs, outputs) <= rank) whole.push(...layers)
    else adapters.push({ weight, layers, inputs, outputs, rank, down: `lora/A/${weight}`, up: `lora/B/${weight}` })
  }
  return { adapters, whole, left }
}

/** What adapters begin as: B of zeros, so that the model is what it was, and A uniform within 1/√inputs. */
export function initialAdapters(adapters: readonly Adapter[], seed: number): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>()
  for (const { weight, inputs, outputs, rank, down, up } of adapters) {
    const random = randomStream(seed, `lora ${weight}`)
    const bound = 1 / Math.sqrt(inputs)
    values.set(
      down,
      Float32Array.from({ length: inputs * rank }, () => random.uniform(-bound, bound)),
    )
    values.set(up, new Float32Array(rank * outputs))
  }
  return values
}
