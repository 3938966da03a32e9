// Grids as tensors of a Q/DQ model; constant operands in codes, and inputs that are brought to another type.
import type { ValueType } from '../base/index.ts'
import { type QuantParams, quantize } from '../math/index.ts'
import { type GraphEditor, type Node, Tensor } from '../onnx/index.ts'
import { type ActivationGrid, inType } from './activation-grid.ts'
import type { Plan } from './plan.ts'

/** Scalars have rank 0: ONNX Runtime does not fuse a grid whose scale has shape [1]. */
export function grid(
  values: Float32Array | Int32Array,
  params: QuantParams,
  dtype: ValueType | QuantParams['dtype'],
): Tensor {
  const shape = params.axis === undefined ? [] : [values.length]
  return Tensor.from(dtype as 'float32', shape, Array.from(values))
}

/** Adds scale and zero point of a grid; returns their names. */
export function gridTensors(editor: GraphEditor, name: string, params: QuantParams): string[] {
  return [
    editor.addTensor(`${name}/scale`, grid(params.scale, params, 'float32')),
    editor.addTensor(`${name}/zero_point`, grid(params.zeroPoint, params, params.dtype)),
  ]
}

/** A constant operand as codes behind DQ, for the nodes that compute on codes. */
export function insertConstant(editor: GraphEditor, value: string, params: QuantParams, readers: Iterable<Node>): void {
  const tensor = editor.graph.initializers.get(value)
  if (!tensor) return
  const codes = Tensor.from(params.dtype as 'uint8', tensor.shape, [...quantize(tensor.floats(), params, tensor.shape)])
  const behind = editor.freshName(`${value}/dq`)
  const inputs = [editor.addTensor(`${value}/q`, codes), ...gridTensors(editor, value, params)]
  editor.addNode({ opType: 'DequantizeLinear', name: `${value}/dq`, inputs, outputs: [behind] })
  for (const reader of readers)
    for (const [index, input] of reader.inputs.entries()) if (input === value) editor.setInput(reader, index, behind)
}

/** Nodes by name: those of the model that was placed, and those of the copy that is written. */
interface Nodes {
  readonly given: ReadonlyMap<string, Node>
  readonly copies: ReadonlyMap<string, Node>
}

/**
 * Brings what an operator reads to the type of its result, where that is another one: a second Q and DQ over the same range.
 * @returns the grid that a node reads first where it was brought there, by the name of the node
 */
export function convertInputs(editor: GraphEditor, { given, copies }: Nodes, plan: Plan): Map<string, QuantParams> {
  const { activations, placement } = plan
  const converted = new Map<string, QuantParams>()
  const made = new Map<string, string>()
  for (const name of placement.integer) {
    const [node, own] = [given.get(name), copies.get(name)]
    const result = node && gridBehind(given, node, activations)
    if (!node || !own || !result) continue
    for (const [index, value] of node.inputs.entries()) {
      const known = activations.get(value)
      if (!known || known.params.dtype === result.params.dtype) continue
      const params = inType(known, result.params.dtype)
      const key = `${value}/${params.dtype}`
      const behind = made.get(key) ?? pair(editor, own.inputs[index] ?? '', key, params)
      made.set(key, behind)
      editor.setInput(own, index, behind)
      if (index === 0) converted.set(name, params)
    }
  }
  return converted
}

/** Q and DQ behind a value; returns what they give. */
function pair(editor: GraphEditor, value: string, name: string, params: QuantParams): string {
  const inputs = gridTensors(editor, name, params)
  const [codes, behind] = [editor.freshName(`${name}/q`), editor.freshName(`${name}/dq`)]
  editor.addNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [value, ...inputs], outputs: [codes] })
  editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [codes, ...inputs], outputs: [behind] })
  return behind
}

/** The grid of what a node hands on: of its result, or behind the bias and the activation that are fused with it. */
function gridBehind(
  nodes: ReadonlyMap<string, Node>,
  node: Node,
  grids: Plan['activations'],
): ActivationGrid | undefined {
  let value = node.outputs[0] ?? ''
  for (let step = 0; step < 3; step++) {
    const found = grids.get(value)
    if (found) return found
    const reader = [...nodes.values()].find(({ inputs }) => inputs.includes(value))
    value = reader?.outputs[0] ?? ''
  }
  return undefined
}
