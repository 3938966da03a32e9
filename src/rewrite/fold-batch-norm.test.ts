import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { applied, contextOf, itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError } from '../base/index.ts'
import { GraphEditor, isOp, type Model, Tensor } from '../onnx/index.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import type { RewriteResult } from './rewrite.ts'

/** Operators of the result, in order. */
const becomes =
  (...ops: string[]) =>
  ({ model }: RewriteResult): void =>
    assert.deepEqual(
      model.graph.nodes.map((node) => node.opType),
      ops,
    )

const folds = (drawing: string, ...ops: string[]): void =>
  itKeepsTheFunction(foldBatchNorm, drawing, { and: becomes(...ops) })

describe('fold-batch-norm, backward', () => {
  folds('x[N,8,5,5] -> Conv 3x3 8->10 -> BatchNormalization -> y', 'Conv')
  folds('x[N,8,5,5] -> Conv 3x3 8->10 pads=1,1,1,1 nobias -> BatchNormalization -> Relu -> y', 'Conv', 'Relu')
  folds('x[N,8,9] -> Conv 3 8->4 -> BatchNormalization -> y', 'Conv')
  folds('x[N,8,5,5] -> Conv 3x3 8->12 group=4 -> BatchNormalization -> y', 'Conv')
  folds('x[N,8,5,5] -> Conv 3x3 8->8 group=8 nobias -> BatchNormalization -> y', 'Conv')
  folds('x[N,8,5,5] -> ConvTranspose 3x3 8->6 strides=2,2 -> BatchNormalization -> y', 'ConvTranspose')
  folds('x[N,8,5,5] -> ConvTranspose 2x2 8->6 group=2 nobias -> BatchNormalization -> y', 'ConvTranspose')
  folds('x[N,8] -> Gemm 8->10 -> BatchNormalization -> y', 'Gemm')
  folds('x[N,8] -> Gemm 8->10 transB=1 alpha=0.5 beta=2.0 -> BatchNormalization -> y', 'Gemm')
  folds('x[N,8] -> Gemm 8->10 nobias -> BatchNormalization -> y', 'Gemm')
  folds('x[N,8] -> MatMul 8->10 -> BatchNormalization -> y', 'MatMul', 'Add')
  folds('x[N,8] -> MatMul 8->10 -> Add floats[10] -> BatchNormalization -> Relu -> y', 'MatMul', 'Add', 'Relu')
  folds('x[N,8,5,5] -> Conv 1x1 8->8 -> BatchNormalization -> BatchNormalization -> y', 'Conv')
  folds('x[N,6,8] -> MatMul 8->10 -> Transpose perm=0,2,1 -> BatchNormalization 10 -> y', 'MatMul', 'Add', 'Transpose')
})

describe('fold-batch-norm, Mul and Add by constants', () => {
  folds('x[N,8,5,5] -> Conv 3x3 8->10 nobias -> Add floats[10,1,1] -> y', 'Conv')
  folds('x[N,8,5,5] -> Conv 3x3 8->10 -> Mul floats[1,10,1,1] -> Add floats[10,1,1] -> y', 'Conv')
  folds('x[N,8,5,5] -> Conv 3x3 8->10 -> Sub floats[10,1,1] -> Div number(3) -> BatchNormalization -> y', 'Conv')
  folds('x[N,8] -> Gemm 8->10 -> Mul floats[10] -> Add floats[1,10] -> y', 'Gemm')
  folds('x[N,3,8] -> MatMul 8->10 -> Mul floats[10] -> Add floats[1,1,10] -> y', 'MatMul', 'Add')
  folds('x[N,8,5,5] -> Conv 3x3 8->10 -> BatchNormalization -> Mul floats[10,1,1] -> Add floats[10,1,1] -> y', 'Conv')
  itLeavesAlone(foldBatchNorm, 'x[N,8,5,5] -> Conv 3x3 8->3 -> Add floats[3] -> y')
  itLeavesAlone(foldBatchNorm, 'x[N,8,5,5] -> Conv 3x3 8->3 -> Mul floats[3,3] -> y')
  itLeavesAlone(foldBatchNorm, 'x[N,8,5,5] -> Conv 1x1 8->1 -> Mul floats[4,1,1] -> y')
  itLeavesAlone(foldBatchNorm, 'x[N,8] -> Gemm 8->10 -> Mul floats[2,1,10] -> y')
  itLeavesAlone(foldBatchNorm, 'x[N,3,8] -> MatMul 8->10 -> Add floats[10] -> y')
  itLeavesAlone(foldBatchNorm, 'x[N,8,5,5] -> Conv 3x3 8->10 -> c!; c -> Mul floats[10,1,1] -> y')
})

describe('fold-batch-norm, forward', () => {
  folds('x[N,8,5,5] -> BatchNormalization -> Conv 3x3 8->10 -> y', 'Conv')
  folds('x[N,8,5,5] -> BatchNormalization -> Conv 3x3 8->12 group=4 nobias strides=2,2 -> y', 'Conv')
  folds('x[N,8,5,5] -> BatchNormalization -> Mul floats[8,1,1] -> Conv 1x1 8->10 -> y', 'Conv')
  folds('x[N,8] -> BatchNormalization -> Gemm 8->10 transB=1 alpha=0.5 beta=2.0 -> y', 'Gemm')
  folds('x[N,8] -> BatchNormalization -> MatMul 8->10 -> y', 'MatMul', 'Add')
  folds('x[N,8,6] -> BatchNormalization -> Transpose perm=0,2,1 -> MatMul 8->10 -> y', 'Transpose', 'MatMul', 'Add')
  folds('x[N,8,5,5] -> BatchNormalization -> GlobalAveragePool -> Conv 1x1 8->10 -> y', 'GlobalAveragePool', 'Conv')
  folds('x[N,8,5,5] -> BatchNormalization -> AveragePool 2x2 -> Conv 1x1 8->10 -> y', 'AveragePool', 'Conv')
  folds('x[N,8,5,5] -> BatchNormalization -> a; a -> Conv 1x1 8->10 -> y; a -> Conv 3x3 8->4 -> z', 'Conv', 'Conv')
  folds('x[N,8,3,2] -> BatchNormalization -> Flatten -> Gemm 48->10 -> y', 'Flatten', 'Gemm')
  folds('x[N,8,3,2] -> BatchNormalization -> Reshape ints(-1,48) -> MatMul 48->10 -> y', 'Reshape', 'MatMul', 'Add')
  folds(
    'x[N,8,3,2] -> BatchNormalization -> Transpose perm=0,2,3,1 -> Flatten -> Gemm 48->10 transB=1 -> y',
    'Transpose',
    'Flatten',
    'Gemm',
  )
})

describe('fold-batch-norm, standing alone', () => {
  const padded = 'x[N,8,5,5] -> BatchNormalization -> Conv 3x3 8->10 pads=1,1,1,1 -> y'
  folds(padded, 'Conv', 'Conv')
  folds('x[N,8,5,5] -> BatchNormalization -> MaxPool 2x2 -> Conv 1x1 8->4 -> y', 'Conv', 'MaxPool', 'Conv')
  folds(
    'x[N,8,5,5] -> BatchNormalization -> AveragePool 2x2 pads=1,1,1,1 count_include_pad=1 -> Conv 1x1 8->4 -> y',
    'Conv',
    'AveragePool',
    'Conv',
  )
  folds('x[N,8,5,5] -> BatchNormalization -> ConvTranspose 2x2 8->4 -> y', 'Conv', 'ConvTranspose')
  folds('x[N,8,5,5] -> BatchNormalization -> Mul floats[8,1,1] -> Add floats[8,1,1] -> Relu -> y', 'Conv', 'Relu')
  folds('x[N,8] -> BatchNormalization -> Relu -> y', 'Mul', 'Add', 'Relu')
  folds('x[N,8,5,5] -> Conv 1x1 8->8 -> c!; c -> BatchNormalization -> y', 'Conv', 'Conv')
  folds('x[N,8,5,5] -> Conv 1x1 8->8 -> c; c -> Relu -> r; c -> BatchNormalization -> y', 'Conv', 'Relu', 'Conv')
  folds('x[N,6,8] -> MatMul 8->10 -> BatchNormalization 6 -> y', 'MatMul', 'Conv')

  it('says why neither side could take it', async () => {
    const { changes } = await applied(foldBatchNorm, tinyModel(padded))
    assert.match(changes.join(), /became a depthwise 1×1 Conv \(no layer before it; Conv_y pads its input with zeros/)
  })

  it('is left when its rank was never observed', () => {
    const model = tinyModel(padded)
    const result = foldBatchNorm.apply(model, { shapes: new Map(), statistics: new Map() })
    assert.equal(result.model, model)
    assert.match(result.skipped.join(), /the rank of its input was never observed/)
  })
})

describe('fold-batch-norm, constants', () => {
  /** Gives input `index` of node `name` the constant that input `other` of another node reads. */
  const shared = (drawing: string, pairs: readonly (readonly [string, number, string, number])[]): Model => {
    const editor = new GraphEditor(tinyModel(drawing))
    const named = (name: string) => editor.nodes().find((node) => node.name === name) ?? assert.fail(name)
    for (const [name, index, other, from] of pairs) editor.setInput(named(name), index, named(other).inputs[from] ?? '')
    return editor.finish()
  }
  const twice =
    'x[N,8,5,5] -> Conv 1x1 8->8 -> a; a -> BatchNormalization -> b; b -> Conv 1x1 8->8 -> c; c -> BatchNormalization -> y'

  itKeepsTheFunction(foldBatchNorm, shared(twice, [['Conv_c', 1, 'Conv_a', 1]]), { and: becomes('Conv', 'Conv') })
  itKeepsTheFunction(
    foldBatchNorm,
    shared(
      twice,
      [1, 2, 3, 4].map((index) => ['BatchNormalization_y', index, 'BatchNormalization_b', index] as const),
    ),
    { and: becomes('Conv', 'Conv') },
  )

  const half = tinyModel('x[N,8,5,5] -> Conv 3x3 8->10 -> BatchNormalization -> y', { dtype: 'float16' })
  itKeepsTheFunction(foldBatchNorm, half, {
    tolerance: 1e-2,
    and: ({ model }) => assert.ok([...model.graph.initializers.values()].every((tensor) => tensor.dtype === 'float16')),
  })

  it('keeps a shared weight as it is for a layer without a BatchNormalization', async () => {
    const drawing = 'x[N,8,5,5] -> Conv 1x1 8->8 -> a; a -> BatchNormalization -> y; x -> Conv 1x1 8->8 -> z'
    const model = shared(drawing, [['Conv_z', 1, 'Conv_a', 1]])
    const { model: folded } = await applied(foldBatchNorm, model)
    const other = folded.graph.nodes.find((node) => node.outputs[0] === 'z')
    assert.equal(folded.graph.initializers.get(other?.inputs[1] ?? ''), model.graph.initializers.get('a_weight'))
  })

  it('refuses a negative variance, naming node and channel', async () => {
    const model = tinyModel('x[N,8,5,5] -> Conv 1x1 8->3 -> BatchNormalization -> y')
    model.graph.initializers.set('y_variance', Tensor.from('float32', [3], [1, -1, 1]))
    const context = await contextOf(model)
    assert.throws(
      () => foldBatchNorm.apply(model, context),
      (error) => error instanceof InputError && /"BatchNormalization_y".*channel 1: variance -1/.test(error.message),
    )
  })

  it('leaves per-pixel statistics and parameters that are not constants, and says so', async () => {
    const perPixel = tinyModel('x[N,8,5,5] -> Conv 1x1 8->3 -> BatchNormalization spatial=0 -> y', { opset: 7 })
    const { skipped } = foldBatchNorm.apply(perPixel, { shapes: new Map(), statistics: new Map() })
    assert.match(skipped.join(), /spatial = 0/)
    const fed = tinyModel('x[N,3,5,5] -> BatchNormalization -> y')
    fed.graph.inputs.push({ name: 'y_scale', dtype: 'float32', shape: [3] })
    fed.graph.initializers.delete('y_scale')
    assert.match((await applied(foldBatchNorm, fed)).skipped.join(), /not constants; run fold-constants first/)
  })
})

describe('fold-batch-norm, bookkeeping', () => {
  it("keeps β and |γ| under the name of the layer's output", async () => {
    const model = tinyModel('x[N,8,5,5] -> Conv 1x1 8->4 -> BatchNormalization -> b; b -> Relu -> y')
    const { statistics } = await applied(foldBatchNorm, model)
    const values = (name: string) => Array.from(model.graph.initializers.get(name)?.floats() ?? [])
    assert.deepEqual([...(statistics.get('b')?.mean ?? [])], values('b_shift'))
    assert.deepEqual([...(statistics.get('b')?.deviation ?? [])], values('b_scale').map(Math.abs))
  })

  it('keeps them under the name of the sum when a MatMul gets its bias as an Add', async () => {
    const { model, statistics } = await applied(
      foldBatchNorm,
      tinyModel('x[N,8] -> MatMul 8->4 -> BatchNormalization -> y'),
    )
    assert.deepEqual([...statistics.keys()], ['y'])
    assert.equal(model.graph.nodes.at(-1)?.opType, 'Add')
  })

  it('rescales what is known when only a Mul is folded', async () => {
    const model = tinyModel('x[N,8,5,5] -> Conv 1x1 8->2 -> c; c -> Mul number(-3) -> y')
    const known = { mean: Float64Array.of(1, 2), deviation: Float64Array.of(1, 0.5), source: 'calibrated' } as const
    const result = foldBatchNorm.apply(model, { ...(await contextOf(model)), statistics: new Map([['c', known]]) })
    assert.deepEqual([...result.statistics.keys()], ['y'])
    assert.deepEqual(result.statistics.get('y'), {
      mean: Float64Array.of(-3, -6),
      deviation: Float64Array.of(3, 1.5),
      source: 'calibrated',
    })
  })

  it('names near-dead channels', async () => {
    const model = tinyModel('x[N,8,5,5] -> Conv 1x1 8->3 -> BatchNormalization -> y')
    model.graph.initializers.set('y_variance', Tensor.from('float32', [3], [1, 1, 1e-9]))
    const { changes } = await applied(foldBatchNorm, model)
    assert.match(changes.join(), /variance below 1e-6 in channels 2/)
    // Its scale is 0: see tinyModel.
    assert.match(changes.join(), /almost no weight in channels 1/)
  })

  it('leaves no BatchNormalization and keeps output names when every case comes at once', async () => {
    const model = tinyModel(
      'x[N,4,6,6] -> Conv 3x3 4->4 pads=1,1,1,1 -> BatchNormalization -> a!; a,x -> Concat axis=1 -> BatchNormalization 8 -> Relu -> Conv 1x1 8->4 -> BatchNormalization -> y',
    )
    const result = await applied(foldBatchNorm, model)
    assert.ok(!result.model.graph.nodes.some((node) => isOp(node, 'BatchNormalization')))
    assert.deepEqual(
      result.model.graph.outputs.map((output) => output.name),
      ['a', 'y'],
    )
  })
})
