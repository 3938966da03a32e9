import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream } from '../../math/index.ts'
import { layersOf, printModel } from '../../onnx/index.ts'
import { observeShapes } from '../../runtime/index.ts'
import { checkCut } from './check-cut.ts'
import { pruningGroups, valueSets } from './groups.ts'
import { removeChannels } from './remove-channels.ts'

const runtime = await testRuntime()

function input(dims: readonly number[]) {
  const random = randomStream(1, 'prune')
  const size = dims.reduce((a, b) => a * b, 1)
  return { dtype: 'float32' as const, dims, data: Float32Array.from({ length: size }, () => random.normal()) }
}

/** A choice of channels that leaves every value one; `every` of 2 takes every second. */
function some(channels: readonly number[], sets: readonly ReadonlySet<number>[], every: number): Set<number> {
  const removed = new Set<number>()
  for (const [i, id] of channels.entries()) {
    const last = sets.some((set) => set.has(id) && [...set].every((other) => other === id || removed.has(other)))
    if (i % every === 0 && !last) removed.add(id)
  }
  return removed
}

/**
 * The model without some of its channels runs, and gives what the whole one gives when no weight reads them: with every
 * second, every third and all but one taken out. `open` is how many numbers may go.
 */
function itCuts(drawing: string, dims: readonly number[], open: number, opset = 17): void {
  it(`cuts ${drawing}`, async () => {
    const model = tinyModel(drawing, { opset })
    const x = input(dims)
    const shapes = await observeShapes(runtime, model, { x })
    const { graph, groups, closed } = pruningGroups(model, shapes)
    const channels = groups.flatMap((group) => group.channels)
    assert.equal(channels.length, open, JSON.stringify(closed))
    const sets = valueSets(model, graph)
    for (const every of [2, 3, 1]) {
      const removed = some(channels, sets, every)
      assert.ok(removed.size > 0, 'something is taken out')
      const cut = removeChannels(model, shapes, removed, graph)
      const reason = await checkCut(runtime, { model, shapes, graph }, removed, { x })
      assert.equal(reason, undefined, printModel(cut))
      const [before, left] = [model, cut].map((one) => layersOf(one).reduce((sum, { weight }) => sum + weight.size, 0))
      assert.ok(left! < before!, 'weights are fewer')
      assert.equal(cut.graph.nodes.length, model.graph.nodes.length, 'no node is added')
    }
  })
}

/** Nothing of the named layer can go, for the reason. */
function itCloses(drawing: string, dims: readonly number[], name: string, reason: RegExp): void {
  it(`keeps the channels of ${name} in ${drawing}`, async () => {
    const model = tinyModel(drawing)
    const { groups, closed } = pruningGroups(model, await observeShapes(runtime, model, { x: input(dims) }))
    assert.match(closed.find((layer) => layer.name === name)?.reason ?? '', reason)
    assert.ok(!groups.some(({ writers }) => writers.includes(name)), 'it is in no group')
  })
}

const map = [2, 3, 8, 8]

describe('taking channels out', () => {
  itCuts('x[N,3,8,8] -> Conv 3x3 3->6 pads=1,1,1,1 -> Relu -> Conv 3x3 6->4 -> y', map, 6)
  itCuts('x[N,3,8,8] -> Conv 3x3 3->6 -> BatchNormalization -> Sigmoid -> Conv 3x3 6->4 -> y', map, 6)
  itCuts('x[N,3,8,8] -> Conv 3x3 3->6 -> Relu -> Conv 3x3 6->6 group=6 -> Relu -> Conv 1x1 6->4 -> y', map, 6)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->4 -> Conv 3x3 4->8 group=4 -> Relu -> Conv 1x1 8->4 -> y', map, 4)
  // Two groups of four: the same place of both goes.
  itCuts('x[N,3,8,8] -> Conv 1x1 3->8 -> Relu -> Conv 3x3 8->12 group=2 -> Relu -> Conv 1x1 12->4 -> y', map, 4 + 6)
  // Four groups of two: whole groups go.
  itCuts('x[N,3,8,8] -> Conv 1x1 3->8 -> Relu -> Conv 3x3 8->8 group=4 -> Relu -> Conv 1x1 8->4 -> y', map, 4)
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> a; x -> Conv 3x3 3->6 pads=1,1,1,1 -> b; a,b -> Add -> Relu -> Conv 1x1 6->4 -> y',
    map,
    6,
  )
  itCuts('x[N,3,8,8] -> Conv 3x3 3->6 -> MaxPool 2x2 strides=2,2 -> Flatten -> Gemm 54->5 transB=1 -> y', map, 6)
  itCuts('x[N,3,8,8] -> Conv 3x3 3->6 -> Reshape ints(-1,216) -> Gemm 216->5 -> y', map, 6)
  itCuts(
    'x[N,3,8,8] -> Conv 3x3 3->6 -> Reshape ints(0,6,-1) -> ReduceMean axes=2, keepdims=0 -> Gemm 6->5 -> y',
    map,
    6,
  )
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> a; x -> Conv 1x1 3->5 -> b; a,b -> Concat axis=1 -> Conv 1x1 11->4 -> y',
    map,
    11,
  )
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Split axis=1 ints(2,4) and:b -> a; a -> Conv 1x1 2->3 -> c; b -> Conv 1x1 4->3 -> d; c,d -> Add -> y',
    map,
    6,
  )
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> s; s -> Slice ints(-4) ints(6) ints(1) -> Conv 1x1 4->3 -> c; s -> Conv 1x1 6->3 -> d; c,d -> Add -> y',
    map,
    6,
  )
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->4 -> s; s -> Pad ints(0,2,0,0,0,1,0,0) -> p; s -> Conv 1x1 4->7 -> q; p,q -> Add -> Relu -> Conv 1x1 7->3 -> y',
    map,
    7,
  )
  itCuts('x[N,3,8,8] -> Conv 1x1 3->6 -> Pad ints(0,0,1,1,0,0,1,1) -> Conv 3x3 6->3 -> y', map, 6)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->6 -> Gather axis=1 ints(5,0,-2,1) -> Conv 1x1 4->3 -> y', map, 6 - 2)
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->8 -> Relu -> Reshape ints(0,2,4,8,8) -> Transpose perm=0,2,1,3,4 -> Reshape ints(0,8,8,8) -> Conv 1x1 8->3 -> y',
    map,
    4,
  )
  itCuts('x[N,3,8,8] -> Conv 1x1 3->8 -> DepthToSpace blocksize=2 -> Conv 1x1 2->3 -> y', map, 2)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->8 -> DepthToSpace blocksize=2 mode=CRD -> Conv 1x1 2->3 -> y', map, 2)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->5 -> SpaceToDepth blocksize=2 -> Conv 1x1 20->3 -> y', map, 5)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->5 -> ConvTranspose 2x2 5->6 strides=2,2 -> Relu -> Conv 1x1 6->3 -> y', map, 11)
  itCuts('x[N,3,8,8] -> Conv 1x1 3->5 -> PRelu floats[5,1,1] -> Add floats[5,1,1] -> Conv 1x1 5->3 -> y', map, 5)
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> a; a -> GlobalAveragePool -> Conv 1x1 6->3 -> Relu -> Conv 1x1 3->6 -> HardSigmoid -> g; a,g -> Mul -> Conv 1x1 6->4 -> y',
    map,
    6 + 3,
  )
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> a; a -> GlobalAveragePool -> Flatten -> Gemm 6->3 -> Relu -> Gemm 3->6 -> Sigmoid -> Reshape ints(0,6,1,1) -> g; a,g -> Mul -> Conv 1x1 6->4 -> y',
    map,
    6 + 3,
  )
  // Spatial attention: one map for all channels.
  itCuts(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> a; x -> Conv 1x1 3->1 -> Sigmoid -> g; a,g -> Mul -> Conv 1x1 6->4 -> y',
    map,
    6,
  )
  // A shape computed from the value itself: [N, −1].
  itCuts(
    'x[N,3,8,8] -> Conv 3x3 3->6 -> a; a -> Shape -> Gather axis=0 ints(0) -> n; n -> Concat axis=0 ints(-1) -> s; a -> Reshape =s -> Gemm 216->5 -> y',
    map,
    6,
  )
  itCuts('x[N,7] -> Gemm 7->6 -> Relu -> Gemm 6->4 transB=1 -> y', [3, 7], 6)
  itCuts('x[N,5,7] -> MatMul 7->6 -> Add floats[6] -> Relu -> MatMul 6->4 -> y', [2, 5, 7], 6)

  itCloses('x[N,3,8,8] -> Conv 1x1 3->6 -> Softmax axis=1 -> Conv 1x1 6->6 -> y', map, 'Conv_v1', /Softmax/)
  itCloses('x[N,3,8,8] -> Conv 1x1 3->6 -> y', map, 'Conv_y', /graph output/)
  itCloses('x[N,3,8,8] -> Conv 1x1 3->6 -> LRN size=3 -> Conv 1x1 6->6 -> y', map, 'Conv_v1', /LRN/)
  itCloses(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> a; a -> Shape -> Gather axis=0 ints(1) -> Cast to=1 -> Sqrt -> r; a,r -> Div -> Conv 1x1 6->4 -> y',
    map,
    'Conv_a',
    /computes with their number/,
  )
  itCloses(
    'x[N,3,8,8] -> Conv 1x1 3->6 -> ReduceMean axes=1, keepdims=1 -> Conv 1x1 1->4 -> y',
    map,
    'Conv_v1',
    /reduces along the channels/,
  )

  it('refuses to leave a layer without channels', async () => {
    const model = tinyModel('x[N,7] -> Gemm 7->6 -> Relu -> Gemm 6->4 -> y')
    const shapes = await observeShapes(runtime, model, { x: input([3, 7]) })
    const { groups } = pruningGroups(model, shapes)
    const all = new Set(groups.flatMap(({ channels }) => channels))
    assert.throws(() => removeChannels(model, shapes, all), /would be left without channels/)
  })

  it('leaves alone what a kept layer writes and reads', async () => {
    const model = tinyModel('x[N,7] -> Gemm 7->6 -> Relu -> Gemm 6->5 -> Relu -> Gemm 5->4 -> y')
    const shapes = await observeShapes(runtime, model, { x: input([3, 7]) })
    const { groups, closed } = pruningGroups(model, shapes, new Set(['Gemm_v1']))
    assert.deepEqual(
      groups.map(({ writers }) => writers),
      [['Gemm_v3']],
    )
    assert.match(closed[0]?.reason ?? '', /layer Gemm_v1 is kept/)
  })
})
