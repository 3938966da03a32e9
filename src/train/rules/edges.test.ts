// Gradients at the edges: scalars, vectors, negative axes, ties, windows that overlap. Expected values by differences or by hand.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { assertGradients } from '../../../test/support/gradient-check.ts'
import { run, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { GraphEditor, Tensor } from '../../onnx/index.ts'
import { observeShapes } from '../../runtime/index.ts'
import { addGradients } from '../graph/backward.ts'
import { Emitter } from '../graph/emitter.ts'
import { gradientRuleOf } from './index.ts'

const drawings: Readonly<Record<string, string>> = {
  'a vector times a matrix': 'x[6] -> MatMul 6->4 -> y',
  'a matrix times a vector': 'x[5,6] -> MatMul floats[6] -> y',
  'a vector times a vector': 'x[6] -> MatMul floats[6] -> Mul floats[2] -> y',
  'matrices, broadcast over both': 'x[3,1,2,4] -> MatMul floats[2,4,5] -> y',
  'Gemm, everything transposed and scaled':
    'x[6,2] -> Gemm floats[4,6] floats[1] transA=1 transB=1 alpha=0.5 beta=-2.5 -> y',
  'Gemm, A transposed alone': 'x[6,2] -> Gemm floats[6,4] floats[2,1] transA=1 -> y',
  'Add and Mul of a scalar': 'x[] -> Add floats[3,2] -> Mul number(1.5) -> y',
  'Div of a scalar by a matrix': 'x[] -> Div floats[3,2] -> y',
  'Sub, broadcast on an inner axis': 'x[3,1,2] -> Sub floats[4,1] -> y',
  'Pow of a trained exponent': 'x[2,3] -> Exp -> p; p -> Pow floats[3] -> y',
  'Min of three': 'x[2,5] -> Min floats[5] floats[2,1] -> y',
  'Softmax over the first axis': 'x[3,4] -> Softmax axis=0 -> y',
  'LogSoftmax over a negative axis': 'x[2,3,4] -> LogSoftmax axis=-2 -> y',
  'ReduceMean over all, without axes': 'x[2,3] -> ReduceMean keepdims=0 -> y',
  'ReduceSum over negative axes': 'x[2,3,4] -> ReduceSum ints(-1,-3) keepdims=0 -> y',
  'ReduceSum over nothing': 'x[2,3] -> ReduceSum noop_with_empty_axes=1 -> y',
  'ReduceL2 over the middle': 'x[2,3,4] -> ReduceL2 ints(1) keepdims=0 -> y',
  'Concat along a negative axis': 'x[2,3] -> Concat floats[2,1] floats[2,4] axis=-1 -> y',
  'Split in uneven parts, the last alone read':
    'x[2,5] -> Split ints(2,3) axis=-1 and:t -> s; t -> Sin -> y; s -> Floor -> z',
  'Slice along a negative axis': 'x[2,3,6] -> Slice ints(-5) ints(99) ints(-1) ints(3) -> y',
  'Slice backwards from beyond the end': 'x[2,6] -> Slice ints(99) ints(-99) ints(1) ints(-4) -> y',
  'Slice without axes': 'x[3,4] -> Slice ints(1,0) ints(3,2) -> y',
  'Pad with negative numbers': 'x[2,6] -> Pad ints(0,-2,1,1) -> y',
  'Pad along a chosen axis': 'x[2,3,4] -> Pad ints(1,2) = ints(-2) -> y',
  'Pad, wrapped': 'x[2,4] -> Pad ints(0,2,0,3) mode=wrap -> y',
  'Pad, reflected along an inner axis': 'x[2,4,3] -> Pad ints(0,1,0,0,2,0) mode=reflect -> y',
  'Gather of one row': 'x[4,3] -> Gather number0 -> y',
  'Gather of a matrix of rows, some twice': 'x[4,3] -> Gather =rows axis=-1 -> y',
  'Transpose, turned around': 'x[2,3,4] -> Transpose -> y',
  'Tile along several axes': 'x[2,1,3] -> Tile ints(2,3,1) -> y',
  'CumSum backwards': 'x[2,4] -> CumSum =one reverse=1 -> y',
  'Resize linear, corners aligned':
    'x[1,2,4,3] -> Resize = = ints(1,2,7,5) mode=linear coordinate_transformation_mode=align_corners -> y',
  'Resize linear, asymmetric':
    'x[1,2,4,3] -> Resize = = ints(1,2,7,5) mode=linear coordinate_transformation_mode=asymmetric -> y',
  'Resize linear, pytorch, down to one row':
    'x[1,2,4,3] -> Resize = = ints(1,2,1,5) mode=linear coordinate_transformation_mode=pytorch_half_pixel -> y',
  'Resize nearest, floor':
    'x[1,2,4,3] -> Resize = = ints(1,2,7,5) nearest_mode=floor coordinate_transformation_mode=asymmetric -> y',
  'Resize nearest, ceil':
    'x[1,2,4,3] -> Resize = = ints(1,2,7,5) nearest_mode=ceil coordinate_transformation_mode=asymmetric -> y',
  'Resize nearest, half upwards, made smaller':
    'x[1,2,6,8] -> Resize = = ints(1,2,3,4) nearest_mode=round_prefer_ceil -> y',
  'MaxPool whose windows overlap': 'x[1,2,6,6] -> MaxPool 3x3 strides=1,1 -> y',
  'MaxPool, 1-D': 'x[2,3,8] -> MaxPool 2 strides=2, -> y',
  'AveragePool that counts its padding':
    'x[1,2,5,5] -> AveragePool 3x3 strides=2,2 pads=1,1,1,1 count_include_pad=1 -> y',
  'PRelu, one slope a channel': 'x[2,3,4] -> Add number(0.01) -> PRelu floats[3,1] -> y',
  'LayerNormalization without a bias': 'x[2,3,4] -> LayerNormalization floats[4] axis=-1 -> y',
}

/** Constants that drawings have no word for. */
function named(drawing: string) {
  const model = tinyModel(drawing.replace('number0', '=row'), { opset: 19 })
  const { initializers } = model.graph
  initializers.set('row', Tensor.from('int64', [], [2]))
  initializers.set('rows', Tensor.from('int64', [2, 2], [0, 2, 2, -1]))
  initializers.set('one', Tensor.from('int64', [], [1]))
  initializers.set('scales', Tensor.from('float32', [4], [1, 1, 1.4, 1]))
  const read = new Set(model.graph.nodes.flatMap(({ inputs }) => inputs))
  for (const name of ['row', 'rows', 'one', 'scales']) if (!read.has(name)) initializers.delete(name)
  return model
}

describe('gradients at the edges agree with central differences', () => {
  for (const [what, drawing] of Object.entries(drawings))
    it(what, async () => assertGradients(await testRuntime(), named(drawing)))
})

/** The gradient of Σ y at x. */
async function gradientAt(drawing: string, x: TensorValue): Promise<number[]> {
  const model = named(drawing)
  const editor = new GraphEditor(model)
  const g = new Emitter(editor, await observeShapes(await testRuntime(), model, { x }))
  const seeds = new Map([['y', g.filled(g.dims('y'), 1)]])
  const gradient = addGradients(g, { seeds, wanted: ['x'], rules: gradientRuleOf }).get('x') ?? ''
  editor.graph.outputs.splice(0, 9, { name: gradient, dtype: 'float32' })
  return [...((await run(editor.finish(), { x }))[gradient]?.data as Float32Array)]
}

const vector = (...values: number[]): TensorValue => ({
  dtype: 'float32',
  dims: [1, values.length],
  data: Float32Array.from(values),
})

describe('where two values tie', () => {
  it('the first operand of a maximum or minimum has all of the gradient', async () => {
    assert.deepEqual(await gradientAt('x[1,3] -> Max =x -> y', vector(1, 2, 3)), [1, 1, 1])
    const both = 'x[1,3] -> Mul number(2) -> a; x -> Mul number(3) -> b; a -> OP =b -> y'
    assert.deepEqual(await gradientAt(both.replace('OP', 'Max'), vector(0, 1, -1)), [2, 3, 2])
    assert.deepEqual(await gradientAt(both.replace('OP', 'Min'), vector(0, 1, -1)), [2, 2, 3])
  })

  it('a maximum along an axis shares it, and a pool gives it to the first', async () => {
    assert.deepEqual(
      await gradientAt('x[1,4] -> ReduceMax ints(1) -> y', vector(5, 1, 5, 5)),
      [1, 0, 1, 1].map((v) => Math.fround(v / 3)),
    )
    const map = { dtype: 'float32' as const, dims: [1, 1, 2, 2], data: Float32Array.of(4, 4, 1, 4) }
    assertNear(await gradientAt('x[1,1,2,2] -> GlobalMaxPool -> y', map), [1 / 3, 1 / 3, 0, 1 / 3], 1e-7)
    assert.deepEqual(await gradientAt('x[1,1,2,2] -> MaxPool 2x2 -> y', map), [1, 0, 0, 0])
  })
})

describe('a Resize by scales that leave a rest', () => {
  it('lies around the middle: its ends are as far from it on both sides', async () => {
    // ⌊3 · 1.4⌋ = 4 rows, at −1/14, 9/14, 19/14 and 29/14; the first and the last are cut to 0 and 2.
    const x = { dtype: 'float32' as const, dims: [1, 1, 3, 1], data: new Float32Array(3) }
    const drawing =
      'x[1,1,3,1] -> Resize = =scales mode=linear coordinate_transformation_mode=half_pixel_symmetric -> y'
    assertNear(await gradientAt(drawing, x), [19 / 14, 18 / 14, 19 / 14], 1e-6)
  })
})

describe('at a kink', () => {
  it('a Relu and an absolute value hand on nothing', async () => {
    assert.deepEqual(await gradientAt('x[1,3] -> Relu -> y', vector(-1, 0, 1)), [0, 0, 1])
    assert.deepEqual(await gradientAt('x[1,3] -> Abs -> y', vector(-1, 0, 1)), [-1, 0, 1])
    assert.deepEqual(await gradientAt('x[1,3] -> LeakyRelu alpha=0.25 -> y', vector(-2, 3, -1)), [0.25, 1, 0.25])
  })

  it('a Clip hands on what lies inside its bounds', async () => {
    assert.deepEqual(
      await gradientAt('x[1,4] -> Clip number(-1) number(2) -> y', vector(-3, -0.5, 1.5, 7)),
      [0, 1, 1, 0],
    )
  })
})
