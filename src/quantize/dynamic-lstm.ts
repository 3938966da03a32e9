// LSTMs with weights in 8 bits and inputs by their range in each run: com.microsoft DynamicQuantizeLSTM, whose sums and gates stay float.
import { quantize, symmetricGrid } from '../math/index.ts'
import { GraphEditor, intAttribute, isOp, type Model, type Node, nodeName, Tensor } from '../onnx/index.ts'
import { SHIFT } from './shared-codes.ts'
import { withContributed } from './weight-only/matmul-nbits.ts'

/** What ONNX Runtime's kernel reads: codes [directions, inputs, gates·hidden], a scale for each direction and gate. */
interface LstmWeights {
  readonly codes: Tensor
  readonly scale: Tensor
  readonly zero: Tensor
}

/** The LSTMs whose weights W and R are constants, batch second, by name. */
export function quantizableLstms({ graph }: Model): string[] {
  const constant = (name = '') => {
    const tensor = graph.initializers.get(name)
    return tensor?.dtype === 'float32' && tensor.shape.length === 3
  }
  return graph.nodes.flatMap((node) =>
    isOp(node, 'LSTM') && constant(node.inputs[1]) && constant(node.inputs[2]) && intAttribute(node, 'layout', 0) === 0
      ? [nodeName(node)]
      : [],
  )
}

/**
 * The model with the named LSTMs as DynamicQuantizeLSTM. Each row of W and R has a scale of its own; codes are uint8 around 128, exact on
 * every processor. What the cells remember is never quantised.
 * @param names of {@link quantizableLstms}; the model is not changed in place
 */
export function withDynamicLstms(model: Model, names: readonly string[]): Model {
  const editor = new GraphEditor(model)
  for (const node of editor.nodes('LSTM').filter((each) => names.includes(nodeName(each)))) write(editor, node)
  return withContributed(editor.finish())
}

function write(editor: GraphEditor, node: Node): void {
  const parts = [node.inputs[1] ?? '', node.inputs[2] ?? ''].map((name) => {
    const tensor = editor.constant(name)
    const { codes, scale, zero } = tensor ? weightsOf(tensor) : {}
    if (!codes || !scale || !zero) return undefined
    return [
      editor.addTensor(`${name}/codes`, codes),
      editor.addTensor(`${name}/scale`, scale),
      editor.addTensor(`${name}/zero`, zero),
    ]
  })
  const [w, r] = parts
  if (!w || !r) return
  // B, sequence lengths, first hidden state, first cell, peepholes: as they are, '' where there is none.
  const rest = [3, 4, 5, 6, 7].map((index) => node.inputs[index] ?? '')
  const inputs = [node.inputs[0] ?? '', w[0] ?? '', r[0] ?? '', ...rest, w[1] ?? '', w[2] ?? '', r[1] ?? '', r[2] ?? '']
  const attributes = Object.fromEntries([...node.attributes].filter(([name]) => name !== 'layout'))
  editor.replaceNode(node, {
    opType: 'DynamicQuantizeLSTM',
    domain: 'com.microsoft',
    inputs,
    outputs: node.outputs,
    attributes,
  })
}

/** A weight [directions, gates·hidden, inputs] as codes, turned. */
function weightsOf(tensor: Tensor): LstmWeights {
  const [directions = 1, rows = 1, inputs = 1] = tensor.shape
  const values = tensor.floats()
  const scale = new Float32Array(directions * rows)
  const codes = new Uint8Array(values.length)
  for (let row = 0; row < directions * rows; row++) {
    const own = values.subarray(row * inputs, (row + 1) * inputs)
    const grid = symmetricGrid(
      own.reduce((most, each) => Math.max(most, Math.abs(each)), 0),
      'int8',
    )
    scale[row] = grid.scale
    const params = { dtype: 'int8', scale: Float32Array.of(grid.scale), zeroPoint: Int32Array.of(0) } as const
    const [d, r] = [Math.floor(row / rows), row % rows]
    for (const [i, code] of quantize(own, params, [inputs], true).entries())
      codes[(d * inputs + i) * rows + r] = code + SHIFT
  }
  return {
    codes: Tensor.from('uint8', [directions, inputs, rows], codes),
    scale: Tensor.from('float32', [directions, rows], scale),
    zero: Tensor.from('uint8', [directions, rows], new Uint8Array(directions * rows).fill(SHIFT)),
  }
}
