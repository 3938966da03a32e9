// Dynamic ranges: products of matrices whose input is quantised by what it holds in this very run. No range is calibrated, and none clips.
// Codes of weights are uint8 around 128: with int8 ones ONNX Runtime saturates on x86-64 without VNNI, and other files give other answers there.
// It costs such a processor an eighth of the time, and others nothing.
import { GraphEditor, intAttr, intAttribute, isOp, type Model, type Node, nodeName, Tensor } from '../onnx/index.ts'
import { isTransposed } from '../rewrite/index.ts'
import { SHIFT, unsignedCodes } from './shared-codes.ts'

/** A layer between its DequantizeLinears. */
interface Site {
  readonly node: Node
  /** What was quantised: the float input. */
  readonly source: string
  /** DequantizeLinear of the weight. */
  readonly weight: Node
}

/**
 * Writes a Q/DQ model with dynamic ranges: every MatMul and Gemm with a quantised weight reads DynamicQuantizeLinear of its input, and
 * becomes MatMulInteger with the scales behind it, which ONNX Runtime fuses (DynamicQuantizeMatMul, MatMulIntegerToFloat). What is quantised already when it gets there,
 * behind an integer operator, keeps its static grid: it has no other values. Convolutions keep theirs too.
 * @param model at opset 11 or above, with symmetric int8 weights; is not changed
 */
export function toDynamic(model: Model): Model {
  const editor = new GraphEditor(model)
  const ranges = new Map<string, Dynamic>()
  const sites = editor.nodes('MatMul', 'Gemm').flatMap((node) => siteOf(editor, node) ?? [])
  if (sites.length === 0) return model
  const unsigned = new Map<string, readonly [string, string]>()
  for (const site of sites) multiply(editor, site, dynamicOf(editor, site.source, ranges), unsigned)
  return editor.finish()
}

function siteOf(editor: GraphEditor, node: Node): Site | undefined {
  const [input = '', weights = ''] = node.inputs
  const [behind, weight] = [editor.producer(input), editor.producer(weights)]
  if (!behind || !weight || !isOp(behind, 'DequantizeLinear') || !isOp(weight, 'DequantizeLinear')) return undefined
  const quantizer = editor.producer(behind.inputs[0] ?? '')
  const source = quantizer?.inputs[0]
  const codes = editor.constant(weight.inputs[0])
  const zero = editor.constant(weight.inputs[2])
  const symmetric = !weight.inputs[2] || zero?.numbers().every((each) => each === 0) === true
  if (!quantizer || source === undefined || !isOp(quantizer, 'QuantizeLinear')) return undefined
  if (codes?.dtype !== 'int8' || codes.shape.length !== 2 || !symmetric || isMadeOfCodes(editor, source))
    return undefined
  return { node, source, weight }
}

/** Does an integer operator other than a product of matrices make a value? Then it lies on a grid already. */
function isMadeOfCodes(editor: GraphEditor, value: string): boolean {
  const producer = editor.producer(value)
  if (!producer) return false
  if (isOp(producer, 'Relu', 'Clip')) return isMadeOfCodes(editor, producer.inputs[0] ?? '')
  if (isOp(producer, 'MatMul', 'Gemm')) return false
  return producer.inputs.some((input) => {
    const from = editor.producer(input)
    return from !== undefined && isOp(from, 'DequantizeLinear') && !editor.constant(from.inputs[0])
  })
}

/** Codes of a value, their scale and zero point. */
interface Dynamic {
  readonly codes: string
  readonly scale: string
  readonly zero: string
}

function dynamicOf(editor: GraphEditor, value: string, known: Map<string, Dynamic>): Dynamic {
  const found = known.get(value)
  if (found) return found
  const [codes, scale, zero] = ['codes', 'scale', 'zero'].map((part) => editor.freshName(`${value}/dynamic/${part}`))
  const made = { codes: codes ?? '', scale: scale ?? '', zero: zero ?? '' }
  editor.addNode({
    opType: 'DynamicQuantizeLinear',
    name: `${value}/dynamic`,
    inputs: [value],
    outputs: [made.codes, made.scale, made.zero],
  })
  known.set(value, made)
  return made
}

function multiply(
  editor: GraphEditor,
  { node, weight }: Site,
  { codes, scale, zero }: Dynamic,
  unsigned: Map<string, readonly [string, string]>,
): void {
  const name = nodeName(node)
  const [output = ''] = node.outputs
  const step = (
    opType: string,
    part: string,
    inputs: readonly string[],
    made = editor.freshName(`${output}/${part}`),
  ) => {
    const attributes = opType === 'Cast' ? { to: intAttr(1) } : {}
    editor.addNode({ opType, name: `${name}/${part}`, inputs: [...inputs], outputs: [made], attributes })
    return made
  }
  const [matrix, ...shift] = codesOf(editor, node, weight, unsigned)
  const bias = isOp(node, 'Gemm') ? biasOf(editor, node.inputs[2], name) : undefined
  const scales = step('Mul', 'scales', [scale, weight.inputs[1] ?? ''])
  const sums = editor.freshName(`${output}/sums`)
  // The integer product has the layer's name: it is found by it in what the runtime makes of the file.
  editor.replaceNode(node, { opType: 'MatMulInteger', inputs: [codes, matrix, zero, ...shift], outputs: [sums] })
  const float = step('Cast', 'float', [sums])
  const product = step('Mul', 'product', [float, scales], bias === undefined ? output : undefined)
  if (bias !== undefined) step('Add', 'biased', [product, bias], output)
}

/** The bias of a Gemm in float, whose int32 codes stood on the input's static grid. */
function biasOf(editor: GraphEditor, value: string | undefined, name: string): string | undefined {
  if (!value) return undefined
  const node = editor.producer(value)
  if (!node || !isOp(node, 'DequantizeLinear')) return value
  const codes = editor.constant(node.inputs[0])?.numbers()
  const scale = editor.constant(node.inputs[1])?.floats()
  if (!codes || !scale) return value
  const values = Float32Array.from(codes, (code, o) => code * (scale[scale.length === 1 ? 0 : o] ?? 1))
  return editor.addTensor(`${name}/bias`, Tensor.from('float32', [values.length], values))
}

/** Codes [inputs, outputs] and their zero point, for layers that share a weight once; int8 and without one where an embedding is stored in them too. */
function codesOf(
  editor: GraphEditor,
  node: Node,
  weight: Node,
  unsigned: Map<string, readonly [string, string]>,
): readonly [string, ...string[]] {
  const name = weight.inputs[0] ?? ''
  const turned = isOp(node, 'Gemm') && intAttribute(node, 'transB', 0) === 1
  const codes = editor.constant(name)
  if (!codes || (!turned && isEmbedding(editor, codes))) return [name]
  const key = `${turned} ${name}`
  const known = unsigned.get(key)
  if (known) return known
  const [rows = 0, columns = 0] = codes.shape
  const values = unsignedCodes(codes)
  const tensor = turned
    ? Tensor.from(
        'uint8',
        [columns, rows],
        values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)] ?? 0),
      )
    : Tensor.from('uint8', codes.shape, values)
  const made = [
    editor.addTensor(`${name}/unsigned`, tensor),
    editor.addTensor(`${name}/shift`, Tensor.from('uint8', [], [SHIFT])),
  ] as const
  unsigned.set(key, made)
  return made
}

/** Does a Gather pick rows of the same codes, as they are or transposed? Then they are stored once, as int8. */
function isEmbedding(editor: GraphEditor, codes: Tensor): boolean {
  return editor.nodes('Gather').some((node) => {
    const table = editor.constant(node.inputs[0])
    if (table?.dtype !== 'int8' || table.size !== codes.size || table.shape.length !== 2) return false
    if (table === codes) return true
    return table.shape[0] === codes.shape[1] && table.shape[1] === codes.shape[0] && isTransposed(table, codes)
  })
}
