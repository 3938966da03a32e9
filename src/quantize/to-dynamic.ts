// Dynamic ranges: products of matrices whose input is quantised by what it holds in this very run. No range is calibrated, and none clips.
import { GraphEditor, intAttr, intAttribute, isOp, type Model, type Node, nodeName, Tensor } from '../onnx/index.ts'

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
  for (const site of sites) multiply(editor, site, dynamicOf(editor, site.source, ranges))
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

function multiply(editor: GraphEditor, { node, weight }: Site, { codes, scale, zero }: Dynamic): void {
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
  const transposed = isOp(node, 'Gemm') && intAttribute(node, 'transB', 0) === 1
  const matrix = transposed ? transposedCodes(editor, weight) : (weight.inputs[0] ?? '')
  const bias = isOp(node, 'Gemm') ? biasOf(editor, node.inputs[2], name) : undefined
  const scales = step('Mul', 'scales', [scale, weight.inputs[1] ?? ''])
  const sums = editor.freshName(`${output}/sums`)
  // The integer product has the layer's name: it is found by it in what the runtime makes of the file.
  editor.replaceNode(node, { opType: 'MatMulInteger', inputs: [codes, matrix, zero], outputs: [sums] })
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

function transposedCodes(editor: GraphEditor, weight: Node): string {
  const name = weight.inputs[0] ?? ''
  const codes = editor.constant(name)
  const [rows = 0, columns = 0] = codes?.shape ?? []
  const values = new Int8Array(codes?.bytes ?? [])
  const turned = new Int8Array(rows * columns)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = values[r * columns + c] ?? 0
  return editor.addTensor(`${name}/transposed`, Tensor.from('int8', [columns, rows], turned))
}
