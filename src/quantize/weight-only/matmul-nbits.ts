// Weights of matrix products as blocks of few bits: MatMul and Gemm become com.microsoft MatMulNBits, which reads them as they are.
import {
  GraphEditor,
  intAttr,
  intAttribute,
  type Layer,
  type Model,
  type Node,
  nodeName,
  opsetOf,
  type Shapes,
} from '../../onnx/index.ts'
import type { BlockedWeight } from './block-grids.ts'
import { insertPackedTable, insertPlainTable } from './blocked-tables.ts'
import { formatOf, inRows, packed } from './pack-blocks.ts'

/** Why a layer's weight cannot lie in blocks (a clause), or undefined when it can. */
export function whyNotBlocked(
  { node, facts, view, weight, weightIndex, alpha, beta }: Layer,
  shapes: Shapes,
): string | undefined {
  if (facts.window) return `there is no kernel for ${node.opType} with weights in blocks`
  if (!view || weightIndex !== 1) return 'its weight is not a matrix on the right'
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`
  if ((shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0) < 2) return 'its input is not a matrix'
  if (intAttribute(node, 'transA', 0) !== 0) return 'its left operand is transposed'
  return alpha !== 1 || beta !== 1 ? 'alpha or beta is not 1' : undefined
}

/** How the weights are written: MatMulNBits of ONNX Runtime, or plain ONNX, DequantizeLinear with blocks (opset 21). */
export type WeightForm = 'matmul-nbits' | 'onnx'

export interface BlockedForm {
  readonly form: WeightForm
  /** Of MatMulNBits: 4 rounds activations to 8 bits inside, 1 to 3 compute in float32, float16 and bfloat16 where there is a kernel. */
  readonly accuracyLevel: number
}

/**
 * Replaces layers by products with blocked weights, and an Add for a Gemm's bias. Output names stay; a weight that two layers share
 * is stored once, as is one that is a table, too.
 * @param tables blocked tables by the names of the Gather nodes that read them
 */
export function insertBlocked(
  model: Model,
  blocked: ReadonlyMap<Layer, BlockedWeight>,
  form: BlockedForm,
  tables: ReadonlyMap<string, BlockedWeight> = new Map(),
): Model {
  if (blocked.size + tables.size === 0) return model
  const editor = new GraphEditor(model)
  const nodes = editor.nodes()
  const byOutput = new Map(nodes.map((node) => [node.outputs[0] ?? '', node]))
  const gathers = new Map(nodes.map((node) => [nodeName(node), node]))
  const stored: Stored = new Map()
  const whole = new Map<BlockedWeight, string>()
  if (form.form === 'onnx')
    for (const [name, weight] of tables) {
      const gather = gathers.get(name)
      if (!gather) continue
      const table = whole.get(weight) ?? insertPlainTable(editor, gather.inputs[0] ?? '', weight)
      whole.set(weight, table)
      editor.setInput(gather, 0, table)
    }
  for (const [layer, weight] of blocked) {
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (!node) continue
    const { bias = '', product } = productOf(editor, node)
    const table = whole.get(weight)
    const place = { layer, node, product, weight }
    if (form.form === 'onnx') multiplyPlain(editor, place, stored, table)
    else multiplyPacked(editor, place, stored, form.accuracyLevel)
    if (bias !== '') editor.addNode({ opType: 'Add', inputs: [product, bias], outputs: [layer.node.outputs[0] ?? ''] })
  }
  if (form.form === 'onnx') return editor.finish()
  const rows = new Map<BlockedWeight, readonly string[]>()
  for (const [name, weight] of tables) {
    const gather = gathers.get(name)
    const shared = { stored: stored.get(weight), known: rows.get(weight) }
    if (gather) rows.set(weight, insertPackedTable(editor, gather, weight, shared))
  }
  return withContributed(editor.finish())
}

/** Where the bias of a node comes from, and what its product is called. */
function productOf(
  editor: GraphEditor,
  { inputs, outputs }: Node,
): { readonly bias?: string; readonly product: string } {
  const [, , bias = ''] = inputs
  const [output = ''] = outputs
  return bias === '' ? { product: output } : { bias, product: editor.freshName(`${output}/product`) }
}

/** A layer that becomes a product with a blocked weight: its node in the copy that is edited, and what the product is called. */
interface BlockedPlace {
  readonly layer: Layer
  readonly node: Node
  readonly product: string
  readonly weight: BlockedWeight
}

/** Names of the tensors of weights that are stored already. */
type Stored = Map<BlockedWeight, readonly string[]>

function namesOf(
  editor: GraphEditor,
  { layer, weight }: BlockedPlace,
  stored: Stored,
  tensors: typeof inRows,
): readonly string[] {
  const names =
    stored.get(weight) ??
    Object.entries(tensors(weight, opsetOf(editor.model))).map(([part, tensor]) =>
      editor.addTensor(`${layer.name}/weight/${part}`, tensor),
    )
  stored.set(weight, names)
  return names
}

function multiplyPacked(editor: GraphEditor, place: BlockedPlace, stored: Stored, accuracyLevel: number): void {
  const { node, product, weight } = place
  editor.replaceNode(node, {
    opType: 'MatMulNBits',
    domain: 'com.microsoft',
    inputs: [node.inputs[0] ?? '', ...namesOf(editor, place, stored, packed)],
    outputs: [product],
    attributes: {
      K: intAttr(weight.columns),
      N: intAttr(weight.rows),
      bits: intAttr(formatOf(weight).bits),
      block_size: intAttr(formatOf(weight).block),
      accuracy_level: intAttr(accuracyLevel),
    },
  })
}

function multiplyPlain(editor: GraphEditor, place: BlockedPlace, stored: Stored, table: string | undefined): void {
  const { layer, node, product, weight } = place
  const behind = editor.freshName(`${layer.name}/weight/${table === undefined ? 'dq' : 'transposed'}`)
  if (table !== undefined) editor.addNode({ opType: 'Transpose', inputs: [table], outputs: [behind] })
  else {
    const inputs = namesOf(editor, place, stored, inRows)
    const attributes = { axis: intAttr(0), block_size: intAttr(formatOf(weight).block) }
    editor.addNode({ opType: 'DequantizeLinear', inputs, outputs: [behind], attributes })
  }
  editor.replaceNode(node, { opType: 'MatMul', inputs: [node.inputs[0] ?? '', behind], outputs: [product] })
}

/** The model with ONNX Runtime's own operators among its opsets. */
export function withContributed(model: Model): Model {
  return { ...model, opsets: new Map([...model.opsets, ['com.microsoft', model.opsets.get('com.microsoft') ?? 1]]) }
}
