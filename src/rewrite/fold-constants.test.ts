import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { applied, itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { type Attribute, GraphEditor, intAttr, intsAttr, type Model, Tensor } from '../onnx/index.ts'
import { foldConstants } from './fold-constants.ts'
import type { RewriteResult } from './rewrite.ts'

const matrix = Tensor.from('float32', [3, 4], [-2, 1, 4, 0.5, 9, -7, 2, 3, 0.25, 16, -1, 5])
const whole = (...values: number[]) => Tensor.from('int64', [values.length], values)

/** y = Cast(op(constants)) + x: the operator runs on constants alone. */
function onConstants(
  op: string,
  inputs: readonly Tensor[],
  attributes: Record<string, Attribute> = {},
  opset = 13,
): Model {
  const editor = new GraphEditor(tinyModel('x[1] -> Add =k -> y', { opset }))
  const names = inputs.map((tensor, index) => editor.addTensor(`c${index}`, tensor))
  editor.addNode({ opType: op, inputs: names, outputs: ['v'], attributes })
  editor.addNode({ opType: 'Cast', inputs: ['v'], outputs: ['k'], attributes: { to: intAttr(1) } })
  const model = editor.finish()
  model.metadata.set('drawing', `${op} of ${inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(', ')}`)
  return model
}

const onlyAdd = ({ model }: RewriteResult) =>
  assert.deepEqual(
    model.graph.nodes.map((node) => node.opType),
    ['Add'],
  )

function folds(op: string, inputs: readonly Tensor[], attributes: Record<string, Attribute> = {}, opset = 13): void {
  itKeepsTheFunction(foldConstants, onConstants(op, inputs, attributes, opset), { tolerance: 0, and: onlyAdd })
}

describe('fold-constants, moving', () => {
  folds('Identity', [matrix])
  folds('Reshape', [matrix, whole(-1, 2)])
  folds('Reshape', [matrix, whole(0, 2, 2)])
  folds('Flatten', [matrix], { axis: intAttr(0) })
  folds('Transpose', [matrix])
  folds('Transpose', [matrix.reshape([2, 3, 2])], { perm: intsAttr([1, 2, 0]) })
  folds('Unsqueeze', [matrix, whole(0, -1)])
  folds('Unsqueeze', [matrix], { axes: intsAttr([1]) }, 11)
  folds('Squeeze', [matrix.reshape([3, 1, 4]), whole(1)])
  folds('Squeeze', [matrix.reshape([1, 3, 1, 4])])
  folds('Expand', [matrix.reshape([3, 1, 4]), whole(2, 1, 5, 1)])
  folds('Concat', [matrix, matrix], { axis: intAttr(1) })
  folds('Concat', [whole(1, 2), whole(3)], { axis: intAttr(-1) })
  folds('Gather', [matrix, whole(2, -3)], { axis: intAttr(0) })
  folds('Gather', [matrix, Tensor.from('int64', [], [1])], { axis: intAttr(-1) })
  folds('Slice', [matrix, whole(1, -1), whole(3, -9), whole(0, 1), whole(1, -2)])
  folds('Slice', [matrix, whole(0), whole(Number.MAX_SAFE_INTEGER)])
  folds('Slice', [matrix], { starts: intsAttr([1]), ends: intsAttr([-1]), axes: intsAttr([1]) }, 9)
})

describe('fold-constants, computing', () => {
  const row = Tensor.from('float32', [4], [0.1, 3, -0.7, 11])
  for (const op of ['Add', 'Sub', 'Mul', 'Div']) {
    folds(op, [matrix, row])
    folds(op, [whole(7, -7, 9), whole(2)])
  }
  folds('Sqrt', [Tensor.from('float32', [3], [2, 0.1, 1e-30])])
  for (const op of ['Neg', 'Abs', 'Reciprocal']) folds(op, [matrix])
  folds('Cast', [matrix], { to: intAttr(7) })
  folds('Cast', [matrix], { to: intAttr(10) })
  folds('Cast', [whole(1, -5)], { to: intAttr(6) })
  folds('Shape', [matrix])
  folds('Size', [matrix])
  folds('ConstantOfShape', [whole(2, 3)], { value: { type: 'tensor', value: Tensor.from('float32', [1], [1.5]) } })
  folds('ConstantOfShape', [whole(2, 3)])
})

describe('fold-constants', () => {
  itLeavesAlone(foldConstants, 'x[N,4] -> Add floats[4] -> y')
  itLeavesAlone(foldConstants, onConstants('ConstantOfShape', [whole(2 ** 13, 2 ** 13)]), /too large/)

  it('leaves a division by zero to the runtime', () => {
    const model = onConstants('Div', [whole(1), whole(0)])
    const { changes, skipped } = foldConstants.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.deepEqual(changes, [])
    assert.match(skipped.join(), /v: its value is too large, not defined, or of a type/)
  })

  it('turns Constant nodes into initialisers, and leaves a graph output what it is', async () => {
    const editor = new GraphEditor(tinyModel('x[N,4] -> Add =w -> y'))
    const value: Attribute = { type: 'tensor', value: Tensor.from('float32', [4], [1, 2, 3, 4]) }
    for (const name of ['w', 'out'])
      editor.addNode({ opType: 'Constant', inputs: [], outputs: [name], attributes: { value } })
    editor.graph.outputs.push({ name: 'out', dtype: 'float32' })
    const { model } = await applied(foldConstants, editor.finish())
    assert.deepEqual([...model.graph.initializers.keys()], ['w'])
    assert.deepEqual(
      model.graph.nodes.map((node) => node.outputs[0]),
      ['y', 'out'],
    )
  })

  it('does not store a constant twice because of an Identity', async () => {
    const editor = new GraphEditor(tinyModel('x[N,4] -> Add floats[4] -> a; a -> Mul =copy -> y'))
    const [name = ''] = editor.graph.initializers.keys()
    editor.addNode({ opType: 'Identity', inputs: [name], outputs: ['copy'] })
    const { model } = await applied(foldConstants, editor.finish())
    assert.deepEqual([...model.graph.initializers.keys()], [name])
  })
})
