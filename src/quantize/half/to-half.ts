// Writes the choice into the model: constants and values in float16, a Cast where float16 and float32 meet, each value once a direction.
import { float16Max, fromFloat16Bits } from '../../base/index.ts'
import {
  type DType,
  dtypeNumber,
  type Graph,
  GraphEditor,
  intAttr,
  isScaleOfCodes,
  type Model,
  makeNode,
  type Node,
  type NodeSpec,
  opsetOf,
  staysFloat32Input,
  staysFloat32Output,
  subgraphsOf,
  type Tensor,
  type ValueInfo,
} from '../../onnx/index.ts'
import { castFrom } from '../../rewrite/index.ts'
import type { HalfChoice } from './choose-half.ts'
import { asHalf, halfAttributes } from './half-node.ts'
import { MASKED } from './masks.ts'

/** Constants of this many bytes are stored in float16 where they are read in float32, too. */
const WORTH_BYTES = 1024

export interface HalfWritten {
  readonly model: Model
  /** Numbers of weights other than 0 that became 0 in float16. */
  readonly vanished: number
  readonly casts: number
}

/**
 * The model with the chosen nodes in float16.
 * @param io type of the inputs and outputs that are float32
 */
export function toHalf(
  model: Model,
  { half, masks }: HalfChoice,
  types: ReadonlyMap<string, DType>,
  io: 'float32' | 'float16',
): HalfWritten {
  const writer = new Writer(model, types, io)
  const nodes = writer.editor.nodes()
  const chosen = new Set(nodes.filter((node) => half.has(node.outputs[0] ?? '')))
  writer.inputs()
  for (const node of chosen) writer.outputs(node)
  for (const node of nodes) writer.reads(node, chosen.has(node), masks)
  for (const node of chosen) for (const [name, attribute] of halfAttributes(node)) node.attributes.set(name, attribute)
  writer.store(nodes.filter((node) => !chosen.has(node)))
  return writer.finish()
}

class Writer {
  readonly editor: GraphEditor
  readonly #types: ReadonlyMap<string, DType>
  readonly #io: 'float32' | 'float16'
  /** Values that are float16 under their own name. */
  readonly #half = new Set<string>()
  /** Value → its name in the other type. */
  readonly #others = new Map<string, string>()
  readonly #made = new Map<Tensor, Tensor>()
  #vanished = 0
  #casts = 0

  constructor(model: Model, types: ReadonlyMap<string, DType>, io: 'float32' | 'float16') {
    this.editor = new GraphEditor(model)
    this.#types = types
    this.#io = io
  }

  /** float32 inputs of the graph become float16 where that is asked for. */
  inputs(): void {
    if (this.#io === 'float32') return
    const { inputs } = this.editor.graph
    for (const [index, info] of inputs.entries()) {
      if (info.dtype !== 'float32' || this.editor.isCaptured(info.name)) continue
      inputs[index] = halfInfo(info)
      this.#half.add(info.name)
    }
  }

  /** The outputs of a node become float16; what the outside or an inner graph reads by name is cast back under that name. */
  outputs(node: Node): void {
    const { editor } = this
    for (const [index, value] of [...node.outputs].entries()) {
      if (this.#types.get(value) !== 'float32' || staysFloat32Output(node, index)) continue
      const shown = editor.isOutput(value)
      if (shown && this.#io === 'float16' && !editor.isCaptured(value)) {
        const { outputs } = editor.graph
        const at = outputs.findIndex(({ name }) => name === value)
        outputs[at] = halfInfo(outputs[at] ?? { name: value })
      } else if (shown || editor.isCaptured(value)) {
        const own = editor.freshName(`${value}/float16`)
        editor.setOutput(node, index, own)
        this.#cast(own, value, 'float32')
        this.#others.set(value, own)
        continue
      }
      this.#half.add(value)
    }
  }

  /** Every float input of a node in the type that the node computes in. */
  reads(node: Node, half: boolean, masks: (value: string) => boolean): void {
    const { editor } = this
    for (const [index, value] of [...node.inputs].entries()) {
      if (this.#types.get(value) !== 'float32') continue
      const wants = half && !staysFloat32Input(node, index)
      const tensor = editor.constant(value)
      if (tensor) {
        if (wants) editor.setInput(node, index, this.#constant(value, tensor, masks(node.outputs[0] ?? '')))
      } else if (wants !== this.#half.has(value)) editor.setInput(node, index, this.#other(value, wants))
    }
  }

  /** Large constants that are read in float32 are stored in float16 behind Cast, those of inner graphs included. */
  store(nodes: readonly Node[]): void {
    const { editor } = this
    const exact = new Set(nodes.flatMap((node) => node.inputs.filter((_, index) => isScaleOfCodes(node, index))))
    for (const node of nodes) {
      for (const value of new Set(node.inputs)) {
        const tensor = editor.graph.initializers.get(value)
        if (!tensor || exact.has(value) || editor.isInput(value) || !fits(tensor)) continue
        const stored = this.#constant(value, tensor, false)
        editor.graph.initializers.delete(value)
        this.#cast(stored, value, 'float32')
      }
      for (const inner of subgraphsOf(node)) this.#storeInside(inner)
    }
  }

  finish(): HalfWritten {
    for (const value of this.#half) {
      const info = this.editor.graph.valueInfo.get(value)
      if (info) this.editor.graph.valueInfo.set(value, halfInfo(info))
    }
    return { model: this.editor.finish(), vanished: this.#vanished, casts: this.#casts }
  }

  #storeInside(graph: Graph): void {
    for (const [name, tensor] of [...graph.initializers]) {
      if (!fits(tensor)) continue
      graph.initializers.delete(name)
      graph.initializers.set(`${name}/float16`, this.#halved(tensor))
      graph.nodes.unshift(makeNode(castSpec(`${name}/float16`, name, 'float32')))
    }
    for (const node of [...graph.nodes]) {
      const value = node.attributes.get('value')
      const output = node.outputs[0] ?? ''
      if (node.opType === 'Constant' && value?.type === 'tensor' && fits(value.value)) {
        node.attributes.set('value', { type: 'tensor', value: this.#halved(value.value) })
        node.outputs[0] = `${output}/float16`
        graph.nodes.splice(graph.nodes.indexOf(node) + 1, 0, makeNode(castSpec(`${output}/float16`, output, 'float32')))
      }
      for (const inner of subgraphsOf(node)) this.#storeInside(inner)
    }
  }

  #constant(name: string, tensor: Tensor, mask: boolean): string {
    const key = mask ? `${name} as a mask` : name
    const known = this.#others.get(key)
    if (known !== undefined) return known
    const stored = this.editor.addTensor(`${name}/float16`, mask ? asHalf(tensor, MASKED) : this.#halved(tensor))
    this.#others.set(key, stored)
    return stored
  }

  #halved(tensor: Tensor): Tensor {
    const known = this.#made.get(tensor)
    if (known) return known
    const half = castFrom(tensor, asHalf(tensor), opsetOf(this.editor.model))
    const values = tensor.floats()
    const bits = new Uint16Array(half.bytes.slice().buffer)
    for (let i = 0; i < values.length; i++) if (values[i] !== 0 && fromFloat16Bits(bits[i] ?? 0) === 0) this.#vanished++
    this.#made.set(tensor, half)
    return half
  }

  #other(value: string, half: boolean): string {
    const known = this.#others.get(value)
    if (known !== undefined) return known
    const name = this.editor.freshName(`${value}/${half ? 'float16' : 'float32'}`)
    this.#cast(value, name, half ? 'float16' : 'float32')
    this.#others.set(value, name)
    return name
  }

  #cast(from: string, to: string, dtype: DType): void {
    this.#casts++
    this.editor.addNode(castSpec(from, to, dtype))
  }
}

function castSpec(from: string, to: string, dtype: DType): NodeSpec {
  return { opType: 'Cast', inputs: [from], outputs: [to], attributes: { to: intAttr(dtypeNumber(dtype)) } }
}

/** Without what the file said of its type. */
function halfInfo({ name, shape }: ValueInfo): ValueInfo {
  return { name, dtype: 'float16', ...(shape ? { shape } : {}) }
}

/** Is it worth a Cast, and does float16 hold it? */
function fits(tensor: Tensor): boolean {
  if (tensor.dtype !== 'float32' || tensor.byteLength < WORTH_BYTES) return false
  let largest = 0
  for (const value of tensor.floats()) largest = Math.max(largest, Math.abs(value))
  return largest <= float16Max && largest >= 2 ** -14
}
