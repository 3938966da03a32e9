import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withBranches } from '../../test/support/branches.ts'
import { applied, itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { floatAttr, intAttr, intsAttr, type Model, makeNode, opsetOf } from '../onnx/index.ts'
import { convertOpset, convertOpsetTo } from './convert-opset.ts'
import type { RewriteResult } from './rewrite.ts'

const opsIn = (model: Model) => model.graph.nodes.map((node) => node.opType)

function converts(opset: number, drawing: string, and?: (result: RewriteResult) => void): void {
  describe(`from ${opset}`, () => itKeepsTheFunction(convertOpset, tinyModel(drawing, { opset }), and ? { and } : {}))
}

describe('convert-opset', () => {
  converts(7, 'x[N,8,5,5] -> Conv 3x3 8->4 -> BatchNormalization spatial=1 -> MaxPool 2x2 -> Flatten -> y')
  converts(7, 'x[N,8,5,5] -> Dropout ratio=0.3 -> y')
  converts(8, 'x[N,8,5,5] -> Upsample mode=nearest scales=1.0,1.0,2.0,2.0 -> y', ({ model }) =>
    assert.deepEqual(opsIn(model), ['Resize']),
  )
  converts(7, 'x[N,8,5,5] -> Upsample mode=linear scales=1.0,1.0,2.0,2.0 -> y')
  converts(9, 'x[N,8] -> Clip min=0.0 max=0.5 -> y', ({ model }) =>
    assert.equal(model.graph.nodes[0]?.inputs.length, 3),
  )
  converts(9, 'x[N,8] -> Clip max=0.5 -> y', ({ model }) => assert.equal(model.graph.nodes[0]?.inputs[1], ''))
  converts(9, 'x[N,8] -> Slice starts=1, ends=-1, axes=1, -> y')
  converts(9, 'x[N,8,5,5] -> Pad pads=0,0,1,1,0,0,1,1 value=0.5 -> y')
  converts(9, 'x[N,8] -> TopK k=3 axis=1 and:i -> y')
  converts(11, 'x[N,8] -> Unsqueeze axes=1,2 -> Squeeze axes=1, -> ReduceSum axes=2, keepdims=0 -> y')
  converts(11, 'x[N,8,5,5] -> Split axis=1 split=8, -> y')
  converts(9, 'x[N,8,5,5] -> LRN size=3 -> AveragePool 2x2 -> GlobalMaxPool -> y')
  converts(9, 'x[4] -> Scatter ints(0,2) floats[2] -> y')

  describe('Softmax', () => {
    const ops =
      (...expected: string[]) =>
      ({ model }: RewriteResult) =>
        assert.deepEqual(opsIn(model), expected)
    converts(11, 'x[N,8] -> Softmax -> y', ops('Softmax'))
    converts(11, 'x[N,3,8] -> Softmax axis=2 -> y', ops('Softmax'))
    converts(11, 'x[N,3,8] -> LogSoftmax axis=-1 -> y', ops('LogSoftmax'))
    converts(11, 'x[N,3,4,5] -> Softmax -> y', ops('Shape', 'Flatten', 'Softmax', 'Reshape'))
    converts(9, 'x[N,3,8] -> Hardmax axis=1 -> y', ops('Shape', 'Flatten', 'Hardmax', 'Reshape'))
  })

  it('raises the IR version with the opset, and leaves a newer model as it is', async () => {
    const { model } = await applied(convertOpset, tinyModel('x[N,8] -> Relu -> y', { opset: 8 }))
    assert.equal(opsetOf(model), 13)
    assert.equal(model.irVersion, 7)
  })

  itLeavesAlone(convertOpset, tinyModel('x[N,8] -> Relu -> y', { opset: 15 }))

  describe('to 21', () => {
    for (const drawing of [
      'x[N,8,5,5] -> ReduceMean axes=2,3 keepdims=0 -> y',
      'x[N,8] -> Split axis=1 ints(8) -> Relu -> y',
      'x[N,8,5,5] -> Conv 3x3 8->8 -> BatchNormalization -> Clip number(0) number(6) -> y',
    ])
      itKeepsTheFunction(convertOpsetTo(21), tinyModel(drawing, { opset: 13 }))
  })

  it('refuses targets that the table does not cover', () => {
    assert.throws(
      () => convertOpsetTo(99),
      /cannot convert a model to opset 99; the target must be an integer from 7 to 21/,
    )
  })

  it('converts the nodes of branches', () => {
    const nodes = [
      makeNode({ opType: 'Clip', inputs: ['x'], outputs: ['c'], attributes: { min: floatAttr(0) } }),
      makeNode({ opType: 'Unsqueeze', inputs: ['c'], outputs: ['u'], attributes: { axes: intsAttr([1]) } }),
      makeNode({ opType: 'Softmax', inputs: ['u'], outputs: ['s'], attributes: { axis: intAttr(1) } }),
    ]
    const { model } = convertOpset.apply(withBranches(nodes, 's', 9), { shapes: new Map(), statistics: new Map() })
    const branch = model.graph.nodes[0]?.attributes.get('then_branch')
    assert.ok(branch?.type === 'graph')
    assert.deepEqual(
      branch.value.nodes.map((node) => node.opType),
      ['Clip', 'Unsqueeze', 'Shape', 'Flatten', 'Softmax', 'Reshape'],
    )
    assert.equal(branch.value.initializers.size, 2)
  })
  itKeepsTheFunction(
    convertOpset,
    withBranches(
      [
        makeNode({ opType: 'Clip', inputs: ['x'], outputs: ['c'], attributes: { min: floatAttr(0) } }),
        makeNode({ opType: 'Unsqueeze', inputs: ['c'], outputs: ['u'], attributes: { axes: intsAttr([1]) } }),
        makeNode({ opType: 'Softmax', inputs: ['u'], outputs: ['s'], attributes: { axis: intAttr(1) } }),
      ],
      's',
      9,
    ),
  )

  it('leaves a model with an operator it does not know at its opset, and names it', () => {
    const model = tinyModel('x[N,8] -> Relu -> a; a -> Affine -> y', { opset: 9 })
    const result = convertOpset.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.equal(result.model, model)
    assert.deepEqual(result.changes, [])
    assert.deepEqual(result.skipped, ['stays at opset 9: no upgrade of Affine is known (node Affine_y)'])
  })

  it('leaves a model at its opset when one node has no later form', () => {
    const model = tinyModel('x[N,8,5,5] -> BatchNormalization spatial=0 -> y', { opset: 7 })
    const result = convertOpset.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.equal(result.model, model)
    assert.match(result.skipped.join(), /spatial = 0 has no form after opset 8/)
  })
})
