import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../test/support/assert-near.ts'
import { randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { type Matrix, matrix, plainProducts } from '../math/index.ts'
import { GraphEditor, isOp, layersOf, type Model } from '../onnx/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { maxRank } from './cost.ts'
import { biasFor, setWeight, splitLayer } from './edit-layer.ts'
import { fitSplit } from './fit-split.ts'
import { kernelsOf } from './kernel.ts'
import { biasOf, type CompressibleLayer, surveyLayers } from './layers.ts'
import { type SplitName, splitNamed } from './splits/index.ts'
import { plainTarget } from './target.ts'

async function firstLayer(model: Model): Promise<CompressibleLayer> {
  const [layer] = surveyLayers(model, await observeShapes(await testRuntime(), model, randomFeeds(model))).layers
  assert.ok(layer)
  return layer
}

async function output(model: Model): Promise<ArrayLike<number>> {
  const [value] = Object.values(await run(model, randomFeeds(model)))
  assert.ok(value?.data instanceof Float32Array)
  return value.data
}

const drawings = [
  'x[N,6,5,5] -> Conv 3x2 6->4 group=2 pads=1,0,1,1 -> y',
  'x[N,6,9] -> Conv 3 6->4 nobias -> y',
  'x[N,6] -> Gemm 6->4 -> y',
  'x[N,6] -> Gemm 6->4 transB=1 nobias -> y',
  'x[N,3,6] -> MatMul 6->4 -> y',
  'x[N,3,6] -> MatMul 6->4 -> a -> Add floats[4] -> y',
]

describe('another weight for a layer', () => {
  for (const drawing of drawings) {
    it(`is where the old one was, group by group: ${drawing}`, async () => {
      const model = tinyModel(drawing)
      const layer = await firstLayer(model)
      const editor = new GraphEditor(model)
      setWeight(editor, layer, kernelsOf(layer), biasOf(layer))
      const changed = editor.finish()
      assert.deepEqual(layersOf(changed)[0]?.weight.floats(), layer.weight.floats())
      assertNear(await output(changed), await output(model), 0)
    })

    it(`halves the output when it and the bias are halved: ${drawing}`, async () => {
      const model = tinyModel(drawing)
      const layer = await firstLayer(model)
      const half = (kernel: Matrix) => ({ ...kernel, data: kernel.data.map((value) => value / 2) })
      // What an Add behind a product holds is not the layer's: it is given what is missing from half of it.
      const add = model.graph.nodes.find((node) => isOp(node, 'Add'))
      const added = add ? (model.graph.initializers.get(add.inputs[1] ?? '')?.floats() ?? []) : []
      const bias = biasOf(layer).map((value, o) => (value - (added[o] ?? 0)) / 2)
      const editor = new GraphEditor(model)
      setWeight(editor, layer, kernelsOf(layer).map(half), bias)
      const expected = Float32Array.from(await output(model), (value) => value / 2)
      assertNear(await output(editor.finish()), expected, 1e-5)
    })
  }

  it('leaves the model that it was given alone, and a constant that others read', async () => {
    const model = tinyModel('x[N,3,6] -> MatMul 6->4 -> a -> Add floats[4] -> b; x -> MatMul 6->4 -> c')
    const [, add, other] = model.graph.nodes
    const shared = add?.inputs[1] ?? ''
    model.graph.nodes.push({ ...add!, name: 'second', inputs: ['c', shared], outputs: ['d'] })
    model.graph.outputs.push({ name: 'd', dtype: 'float32' })
    assert.equal(other?.outputs[0], 'c')
    const layer = await firstLayer(model)
    const before = model.graph.initializers.get(shared)?.floats()
    const editor = new GraphEditor(model)
    setWeight(editor, layer, kernelsOf(layer), Float64Array.of(1, 1, 1, 1))
    const changed = editor.finish()
    assert.deepEqual(changed.graph.initializers.get(shared)?.floats(), before)
    assert.equal(changed.graph.nodes.filter((node) => isOp(node, 'Add')).length, 2, 'no third Add')
    const [feeds] = [randomFeeds(model)]
    const [was, is] = [await run(model, feeds), await run(changed, feeds)]
    assertNear(
      is['b']?.data as Float32Array,
      Float32Array.from(was['b']?.data as Float32Array, (v) => v + 1),
      1e-5,
    )
    assertNear(is['d']?.data as Float32Array, was['d']?.data as Float32Array, 0)
  })

  it('of a product that is an output itself moves by an Add, and the output keeps its name', async () => {
    const model = tinyModel('x[N,3,6] -> MatMul 6->4 -> a! -> Add floats[4] -> y')
    const layer = await firstLayer(model)
    const editor = new GraphEditor(model)
    setWeight(editor, layer, kernelsOf(layer), Float64Array.of(1, 2, 3, 4))
    const feeds = randomFeeds(model)
    const [was, is] = [await run(model, feeds), await run(editor.finish(), feeds)]
    for (const name of ['a', 'y'])
      assertNear(
        is[name]?.data as Float32Array,
        Float32Array.from(was[name]?.data as Float32Array, (value, i) => value + (i % 4) + 1),
        1e-5,
        name,
      )
  })

  it('cannot be set once the layer is gone', async () => {
    const model = tinyModel('x[N,6] -> Gemm 6->4 -> y')
    const layer = await firstLayer(model)
    const editor = new GraphEditor(model)
    editor.removeNode(editor.producer('y')!)
    assert.throws(() => setWeight(editor, layer, kernelsOf(layer), biasOf(layer)), /"Gemm_y" is no longer in the model/)
  })
})

describe('two layers for one', () => {
  const splitsOf: readonly (readonly [string, SplitName])[] = [
    ['x[N,6,7,7] -> Conv 3x3 6->4 group=2 strides=2,1 dilations=1,2 pads=1,2,1,2 -> y', 'vertical-horizontal'],
    ['x[N,6,9] -> Conv 3 6->4 strides=2, pads=2,1 -> y', 'input-side'],
    ['x[N,6] -> Gemm 6->4 -> y', 'output-side'],
    ['x[N,3,6] -> MatMul 6->4 -> y', 'output-side'],
  ]
  for (const [drawing, name] of splitsOf)
    it(`stand where it stood, and the second has its name and output: ${drawing}`, async () => {
      const model = tinyModel(drawing)
      const layer = await firstLayer(model)
      const split = splitNamed(name)
      const choice = { split: name, rank: maxRank(split, layer.geometry) }
      const { factors } = await fitSplit(plainProducts, layer, kernelsOf(layer).map(plainTarget), {
        ...choice,
        rounds: 0,
      })
      const editor = new GraphEditor(model)
      const shift = biasOf(layer).map((value, o) => value + o)
      const { first, second } = splitLayer(editor, layer, { split, factors, bias: shift })
      const changed = editor.finish()
      assert.equal(second.name, layer.name)
      assert.deepEqual(first.inputs.slice(0, 1), ['x'])
      assert.deepEqual([...changed.graph.outputs], [...model.graph.outputs])
      assert.equal(new Set(changed.graph.nodes.map((node) => node.name)).size, changed.graph.nodes.length)
      const [was, is] = [await output(model), await output(changed)]
      const channels = layer.view.outputs
      const inner = layer.geometry.layout === 'conv' ? layer.sizes.output[0] * layer.sizes.output[1] : 1
      assertNear(
        is,
        Float32Array.from(was, (value, i) => value + (Math.floor(i / inner) % channels)),
        1e-4,
      )
    })
})

describe('the bias of a fitted layer', () => {
  it('makes the mean of its output right, whatever the kernel, group by group', () => {
    const geometry = { ...rows, groups: 2, inputsPerGroup: 2, outputsPerGroup: 1 }
    const kernels = [matrix(1, 2, Float64Array.of(1, -2)), matrix(1, 2, Float64Array.of(0.5, 4))]
    const means = [
      { meanX: Float64Array.of(3, 1), meanY: Float64Array.of(10) },
      { meanX: Float64Array.of(-2, 1), meanY: Float64Array.of(0) },
    ]
    assertNear(biasFor(geometry, kernels, means), [9, -3], 0)
  })
})

const rows = {
  layout: 'rows',
  kernel: [1, 1],
  strides: [1, 1],
  dilations: [1, 1],
  pads: [0, 0, 0, 0],
} as const
