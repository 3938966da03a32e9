import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withBranches } from '../../test/support/branches.ts'
import { assertClose, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { dtypeNumber, intAttr, type Model, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { typesOf } from '../runtime/index.ts'
import { applyRewrites } from './apply.ts'
import { floatTensor } from './float-tensor.ts'
import { float32Inside, halfTypesOf, inFloat32, withTypesOf } from './float32-inside.ts'
import { passes, rewritePasses, workingPasses } from './passes.ts'
import { storeHalf } from './store-half.ts'
import { storeOnce } from './store-once.ts'

const drawing =
  'x[N,3,8,8] -> Conv 3x3 3->8 -> BatchNormalization -> Relu -> Conv 3x3 8->16 -> GlobalAveragePool -> Flatten -> Gemm 16->5 -> y'
const half = () => tinyModel(drawing, { dtype: 'float16' })
const none = { shapes: new Map(), statistics: new Map() }

describe('float32-inside', () => {
  it('computes a float16 model in float32 and keeps the types of its inputs and outputs', async () => {
    const model = half()
    const { model: after, applied } = await applyRewrites(
      await testRuntime(),
      { model, feeds: randomFeeds(model) },
      workingPasses,
    )
    assert.equal(applied.find(({ name }) => name === 'float32-inside')?.kept, true)
    assert.deepEqual(after.graph.inputs, model.graph.inputs)
    assert.deepEqual(
      after.graph.outputs.map(({ dtype }) => dtype),
      ['float16'],
    )
    const inner = [...typesOf(after)].filter(([, dtype]) => dtype === 'float16').map(([name]) => name)
    assert.deepEqual(inner.sort(), ['x', 'y'])
    assert.ok(!after.graph.nodes.some(({ opType }) => opType === 'BatchNormalization'))
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(after, feeds), 40, 0.01)
  })

  it('is not a default of rewrite, which folds within float16', async () => {
    const model = half()
    const { model: after, applied } = await applyRewrites(
      await testRuntime(),
      { model, feeds: randomFeeds(model) },
      rewritePasses,
    )
    assert.ok(!passes.includes(float32Inside))
    assert.equal(applied.find(({ name }) => name === 'fold-batch-norm')?.kept, true)
    assert.ok([...after.graph.initializers.values()].every(({ dtype }) => dtype !== 'float32'))
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(after, feeds), 40, 0.01)
  })

  it('leaves a BatchNormalization whose factors float16 cannot hold', async () => {
    const model = half()
    const variance = [...model.graph.initializers.keys()].find((name) => name.endsWith('_variance')) ?? ''
    const scale = [...model.graph.initializers.keys()].find((name) => name.endsWith('_scale')) ?? ''
    model.graph.initializers.set(variance, floatTensor('float16', [8], Array(8).fill(0)))
    model.graph.initializers.set(scale, floatTensor('float16', [8], Array(8).fill(300)))
    const feeds = randomFeeds(model)
    const { applied } = await applyRewrites(await testRuntime(), { model, feeds }, rewritePasses)
    assert.match(applied.find(({ name }) => name === 'fold-batch-norm')?.skipped.join() ?? '', /what float16 can hold/)
  })

  it('changes types in attributes, Constant nodes and branches', async () => {
    const to = (dtype: 'float16' | 'int64') => ({ to: intAttr(dtypeNumber(dtype)) })
    const value = { type: 'tensor', value: floatTensor('float16', [1], [0.5]) } as const
    const branch = withBranches(
      [
        makeNode({ opType: 'Constant', inputs: [], outputs: ['c'], attributes: { value } }),
        makeNode({ opType: 'Cast', inputs: ['x'], outputs: ['i'], attributes: to('int64') }),
        makeNode({ opType: 'Cast', inputs: ['i'], outputs: ['h'], attributes: to('float16') }),
        makeNode({ opType: 'Shape', inputs: ['x'], outputs: ['s'] }),
        makeNode({ opType: 'ConstantOfShape', inputs: ['s'], outputs: ['k'], attributes: { value } }),
        makeNode({ opType: 'Mul', inputs: ['h', 'c'], outputs: ['m'] }),
        makeNode({ opType: 'Add', inputs: ['m', 'k'], outputs: ['b'] }),
      ],
      'b',
    )
    const graph = branch.graph
    const model: Model = {
      ...branch,
      graph: {
        ...graph,
        inputs: graph.inputs.map((input) => ({ ...input, dtype: 'float16' })),
        outputs: graph.outputs.map((output) => ({ ...output, dtype: 'float16' })),
        nodes: graph.nodes.map((node) => ({
          ...node,
          attributes: new Map(
            [...node.attributes].map(([name, attribute]) => [
              name,
              attribute.type === 'graph'
                ? { ...attribute, value: { ...attribute.value, outputs: [{ name: 'b', dtype: 'float16' as const }] } }
                : attribute,
            ]),
          ),
        })),
      },
    }
    const { model: after } = float32Inside.apply(model, none)
    assert.equal(halfTypesOf(after).size, 1)
    const feeds = randomFeeds(model)
    assertClose(await run(model, feeds), await run(after, feeds), 60, 1e-3)
  })

  it('makes a bfloat16 model run, which ONNX Runtime does not', async () => {
    const float = tinyModel('x[N,8] -> Gemm 8->16 -> Relu -> Gemm 16->4 -> y')
    const model = tinyModel('x[N,8] -> Gemm 8->16 -> Relu -> Gemm 16->4 -> y', { dtype: 'bfloat16' })
    const inside = inFloat32(model)
    assert.equal(halfTypesOf(inside).size, 0)
    const feeds = randomFeeds(float)
    assertClose(await run(float, feeds), await run(inside, feeds), 35, 0.02)
    const back = withTypesOf(inside, model)
    assert.deepEqual(
      [...back.graph.inputs, ...back.graph.outputs].map(({ name, dtype }) => [name, dtype]),
      [
        ['x', 'bfloat16'],
        ['y', 'bfloat16'],
      ],
    )
  })

  it('can be done to its own result', async () => {
    const model = tinyModel('x[N,8] -> Gemm 8->16 -> Relu -> Gemm 16->4 -> y', { dtype: 'bfloat16' })
    const once = withTypesOf(inFloat32(model), model)
    const twice = withTypesOf(inFloat32(once), once)
    const feeds = randomFeeds(tinyModel('x[N,8] -> Gemm 8->16 -> Relu -> Gemm 16->4 -> y'))
    assertClose(await run(inFloat32(model), feeds), await run(inFloat32(twice), feeds), 100, 1e-6)
  })

  it('stores in half again what nothing changed, and what was changed when it is told to', () => {
    const model = makeModel({
      name: 'stored',
      inputs: [{ name: 'x', dtype: 'float16', shape: ['N', 64] }],
      outputs: [{ name: 'y', dtype: 'float16' }],
      nodes: [
        makeNode({ opType: 'MatMul', inputs: ['x', 'a'], outputs: ['h'] }),
        makeNode({ opType: 'MatMul', inputs: ['h', 'b'], outputs: ['y'] }),
      ],
      initializers: Object.fromEntries(
        ['a', 'b'].map((name, i) => [
          name,
          floatTensor(
            'float16',
            [64, 64],
            Array.from({ length: 4096 }, (_, k) => Math.sin(k + i)),
          ),
        ]),
      ),
    })
    const { model: wide } = float32Inside.apply(model, none)
    wide.graph.initializers.set('b', Tensor.from('float32', [64, 64], new Float32Array(4096).fill(0.3)))
    const once = storeOnce.apply(wide, none).model
    const dtypes = (of: Model) => [...of.graph.initializers.values()].map(({ dtype }) => dtype).sort()
    assert.deepEqual(dtypes(once), ['float16', 'float32'])
    assert.deepEqual(dtypes(storeHalf(once, 'float16')), ['float16', 'float16'])
  })
})
