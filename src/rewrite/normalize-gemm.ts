// Gemm in one form: alpha = beta = 1, a bias of one number an output; a MatMul of rank 2 is a Gemm too. ONNX Runtime does not
// fuse a quantised Gemm with alpha ≠ 1.
import {
  type GraphEditor,
  intAttribute,
  isFloat,
  isOp,
  layerOf,
  type Node,
  nodeName,
  opsetOf,
  rankOf,
  type Shapes,
} from '../onnx/index.ts'
import { editModel, type PassLog } from './edit-pass.ts'
import { doublesOf, floatTensor } from './float-tensor.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Normalises Gemm and MatMul with a constant weight. Exact.
 * 1. alpha goes into the weight, beta into the bias; 2. a bias of shape [], [1] or [1, N] becomes [N];
 * 3. MatMul of a value of rank 2 with a constant matrix, and the Add of a constant behind it, become a Gemm.
 */
export const normalizeGemm: Rewrite = defineRewrite({
  name: 'normalize-gemm',
  kind: 'exact',
  summary: 'brings Gemm and MatMul of rank 2 into one form',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const node of editor.nodes('MatMul')) toGemm(editor, log, node, context.shapes)
      for (const node of editor.nodes('Gemm')) normalize(editor, log, node)
    }),
})

function toGemm(editor: GraphEditor, log: PassLog, node: Node, shapes: Shapes): void {
  const weight = editor.constant(node.inputs[1])
  const input = node.inputs[0] ?? ''
  const rank = rankOf(shapes, input)
  if (weight?.shape.length !== 2 || !isFloat(weight.dtype) || editor.constant(input)) return
  if (rank === undefined) log.left(node, 'the rank of its input was never observed')
  if (rank !== 2) return
  const output = node.outputs[0] ?? ''
  const add = editor.soleConsumer(output)
  const other = add && isOp(add, 'Add') ? add.inputs.find((name) => name !== output) : undefined
  const bias = editor.constant(other)
  const outputs = weight.shape[1] ?? 0
  const takes = add && other && bias && isBias(bias.shape, outputs)
  const opset = opsetOf(editor.model)
  // Gemm took a vector as its bias from opset 7 on, and did without one from opset 11 on.
  if (opset < (takes ? 7 : 11)) {
    log.left(node, `a Gemm ${takes ? 'that adds a vector' : 'without bias'} has no form at opset ${opset}`)
    return
  }
  const inputs = takes ? [...node.inputs, other] : node.inputs
  if (takes) editor.removeNode(add)
  const gemm = editor.replaceNode(node, { opType: 'Gemm', inputs, outputs: (takes ? add : node).outputs })
  if (takes) log.statistics.delete(output)
  log.changed(gemm, takes ? `MatMul and Add ${nodeName(add)} became Gemm` : 'MatMul became Gemm')
}

/** May a constant of this shape be added to [batch, outputs] as one number an output, without raising the rank? */
function isBias(shape: readonly number[], outputs: number): boolean {
  const size = shape.at(-1) ?? 1
  return shape.length <= 2 && (shape.length < 2 || shape[0] === 1) && (size === 1 || size === outputs)
}

function normalize(editor: GraphEditor, log: PassLog, node: Node): void {
  const layer = layerOf(node, (value) => editor.constant(value))
  if (!layer?.view) return
  const { outputs } = layer.view
  const { alpha, beta } = layer
  const done: string[] = []
  if (intAttribute(node, 'transA', 0) === 1) log.left(node, 'its input is transposed (transA = 1)')
  if (alpha !== 1) {
    const { weight } = layer
    const scaled = doublesOf(weight).map((value) => value * alpha)
    editor.setConstant(node, 1, floatTensor(weight.dtype, weight.shape, scaled))
    node.attributes.delete('alpha')
    done.push(`alpha ${alpha} went into its weight`)
  }
  const bias = editor.constant(node.inputs[2])
  if (!bias) {
    if (beta !== 1 && node.inputs[2]) log.left(node, `keeps beta ${beta}: its bias is not a constant`)
  } else {
    const plain = isBias(bias.shape, outputs)
    const expands = plain && (bias.shape.length !== 1 || bias.size !== outputs)
    if (!plain) log.left(node, `its third input has shape [${bias.shape}], not one number an output`)
    if (beta !== 1 || expands) {
      const values = doublesOf(bias).map((value) => value * beta)
      const filled = expands && bias.size === 1 ? new Float64Array(outputs).fill(values[0] ?? 0) : values
      editor.setConstant(node, 2, floatTensor(bias.dtype, expands ? [outputs] : bias.shape, filled))
      node.attributes.delete('beta')
      if (beta !== 1) done.push(`beta ${beta} went into its bias`)
      if (expands) done.push(`its bias became [${outputs}]`)
    }
  }
  if (done.length > 0) log.changed(node, done.join(', '))
}
