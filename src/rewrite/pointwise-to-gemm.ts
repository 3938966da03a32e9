// Conv on a 1×1 map → Flatten + Gemm. ONNX Runtime runs a last Conv without an output grid in float; a Gemm it runs in integers.
import {
  factsOf,
  type GraphEditor,
  intAttr,
  intAttribute,
  intsAttribute,
  isOp,
  type Model,
  type Node,
  type Shapes,
  stringAttribute,
  Tensor,
} from '../onnx/index.ts'
import { editModel, type PassLog } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'
import { hasStaticInputs } from './static-shapes.ts'

/**
 * Replaces a Conv with kernel 1×1 on a 1×1 map by Flatten + Gemm. Exact.
 * 1. The map is 1×1 at every size: behind a global pool, possibly through activations and other such Convs, or observed
 *    where the model's inputs are fixed. 2. Group 1, no pads. 3. Activations behind the Conv move along, so that Gemm and
 *    activation fuse. 4. A Flatten, Reshape or Squeeze of the result to [N, M] goes; other readers get a Reshape back.
 */
export const pointwiseToGemm: Rewrite = defineRewrite({
  name: 'pointwise-to-gemm',
  kind: 'exact',
  summary: 'turns 1×1 convolutions of 1×1 maps into Gemm',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      // Values that also exist as [N, C], made by the Convs converted so far.
      const flat = new Map<string, string>()
      const isPoint = pointsOf(editor, model, context.shapes, flat)
      for (const conv of editor.nodes('Conv'))
        if (isConvertible(editor, conv, isPoint)) convert(editor, log, conv, flat)
    }),
})

/** Which values have the shape [N, C, 1, 1], whatever the size of the input. */
function pointsOf(
  editor: GraphEditor,
  model: Model,
  shapes: Shapes,
  flat: ReadonlyMap<string, string>,
): (value: string) => boolean {
  const fixed = hasStaticInputs(model)
  const known = new Map<string, boolean>()
  const isPoint = (value: string): boolean => {
    const before = known.get(value)
    if (before !== undefined) return before
    known.set(value, false)
    const dims = shapes.get(value)?.dims
    const observed = dims?.length === 4 && dims[2] === 1 && dims[3] === 1
    const result = observed && (fixed || staysPoint(value))
    known.set(value, result)
    return result
  }
  const staysPoint = (value: string): boolean => {
    if (flat.has(value)) return true
    const node = editor.producer(value)
    if (!node) return false
    if (isOp(node, 'GlobalAveragePool', 'GlobalMaxPool')) return true
    if (isOp(node, 'ReduceMean')) {
      const axes = intsAttribute(node, 'axes') ?? editor.constant(node.inputs[1])?.numbers() ?? []
      return [2, 3].every((axis) => axes.includes(axis) || axes.includes(axis - 4))
    }
    if (isOp(node, 'Add', 'Sub', 'Mul', 'Div'))
      return node.inputs.every((input) => editor.constant(input) !== undefined || isPoint(input))
    return (factsOf(node).elementwise || isOp(node, 'Conv')) && isPoint(node.inputs[0] ?? '')
  }
  return isPoint
}

function isConvertible(editor: GraphEditor, conv: Node, isPoint: (value: string) => boolean): boolean {
  const weight = editor.constant(conv.inputs[1])
  return (
    weight?.shape.length === 4 &&
    weight.shape[2] === 1 &&
    weight.shape[3] === 1 &&
    (!conv.inputs[2] || editor.constant(conv.inputs[2]) !== undefined) &&
    intAttribute(conv, 'group', 1) === 1 &&
    (intsAttribute(conv, 'pads') ?? []).every((pad) => pad === 0) &&
    ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'].includes(stringAttribute(conv, 'auto_pad', 'NOTSET')) &&
    isPoint(conv.inputs[0] ?? '')
  )
}

function convert(editor: GraphEditor, log: PassLog, conv: Node, flat: Map<string, string>): void {
  const input = conv.inputs[0] ?? ''
  const output = conv.outputs[0] ?? ''
  const weight = editor.constant(conv.inputs[1])
  if (!weight) return
  const [outputs = 0, inputs = 0] = weight.shape
  const tail = activationsBehind(editor, output)
  const last = tail.at(-1)?.outputs[0] ?? output
  const matrix = editor.addTensor(conv.inputs[1] ?? '', weight.reshape([outputs, inputs]))
  const rows = flat.get(input) ?? flatten(editor, input, flat)
  let current = editor.freshName(`${output}_flat`)
  const gemm = editor.replaceNode(conv, {
    opType: 'Gemm',
    inputs: [rows, matrix, ...conv.inputs.slice(2)],
    outputs: [current],
    attributes: { transB: intAttr(1) },
  })
  for (const node of tail) {
    editor.setInput(node, 0, current)
    current = editor.freshName(`${node.outputs[0]}_flat`)
    editor.setOutput(node, 0, current)
  }
  flat.set(last, current)
  // Dropped at the end when nobody reads it.
  const shape = editor.addTensor(`${last}_shape`, Tensor.from('int64', [4], [0, outputs, 1, 1]))
  editor.addNode({ opType: 'Reshape', name: `${gemm.name}_map`, inputs: [current, shape], outputs: [last] })
  for (const reader of editor.consumers(last)) {
    if (!isFlatten(editor, reader, outputs)) continue
    editor.setInput(reader, 0, current)
    editor.bypass(reader)
    // When the reader's output is a name the outside knows, that is the value's name now.
    if (!editor.producer(current)) current = reader.outputs[0] ?? current
    flat.set(last, current)
  }
  const statistics = log.statistics.get(output)
  log.statistics.delete(output)
  if (statistics) log.statistics.set(gemm.outputs[0] ?? '', statistics)
  log.changed(gemm, 'Conv of a 1×1 map became Gemm')
}

function flatten(editor: GraphEditor, value: string, flat: Map<string, string>): string {
  const name = editor.freshName(`${value}_flat`)
  editor.addNode({ opType: 'Flatten', inputs: [value], outputs: [name], attributes: { axis: intAttr(1) } })
  flat.set(value, name)
  return name
}

/** The chain of activations that only this value goes into. */
function activationsBehind(editor: GraphEditor, value: string): Node[] {
  const found: Node[] = []
  for (let current = value; ; ) {
    const next = editor.soleConsumer(current)
    if (!next || !factsOf(next).elementwise || isOp(next, 'PRelu', 'Cast', 'CastLike')) return found
    if (next.inputs[0] !== current || next.outputs.length !== 1) return found
    found.push(next)
    current = next.outputs[0] ?? ''
  }
}

/** Does the node make [N, M] of [N, M, 1, 1]? */
function isFlatten(editor: GraphEditor, node: Node, channels: number): boolean {
  if (isOp(node, 'Flatten')) return intAttribute(node, 'axis', 1) === 1
  if (isOp(node, 'Squeeze')) {
    const axes = editor.constant(node.inputs[1])?.numbers() ?? intsAttribute(node, 'axes')
    return (
      axes
        ?.map((axis) => (axis < 0 ? axis + 4 : axis))
        .toSorted()
        .join() === '2,3'
    )
  }
  if (!isOp(node, 'Reshape')) return false
  const [rows, columns, ...more] = editor.constant(node.inputs[1])?.numbers() ?? []
  if (more.length > 0 || intAttribute(node, 'allowzero', 0) === 1) return false
  return (
    (rows === 0 && (columns === channels || columns === -1 || columns === 0)) || (rows === -1 && columns === channels)
  )
}
