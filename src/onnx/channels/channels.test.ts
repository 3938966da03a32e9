import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { observeShapes } from '../../runtime/index.ts'
import type { Model } from '../model.ts'
import { type ChannelGraph, channelGraph } from './channels.ts'
import type { ChannelPurpose } from './scope.ts'

describe('channel classes', async () => {
  const runtime = await testRuntime()

  async function graphOf(drawing: string | Model, purpose: ChannelPurpose = 'scale'): Promise<ChannelGraph> {
    const model = typeof drawing === 'string' ? tinyModel(drawing) : drawing
    return channelGraph(model, await observeShapes(runtime, model, randomFeeds(model)), purpose)
  }
  const open = (graph: ChannelGraph, ids: Iterable<number>) => [...ids].every((id) => !graph.closed.has(id))
  const why = (graph: ChannelGraph, ids: Iterable<number>) => graph.closed.get([...ids][0] ?? -1)

  it('tie a layer to the next through activations, caps and pools', async () => {
    const graph = await graphOf('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> MaxPool kernel_shape=2,2 -> Conv 3x3 4->5 -> y')
    const [first, second] = graph.layers
    assert.deepEqual(first?.output, second?.input)
    assert.ok(open(graph, first?.output ?? []))
    assert.match(why(graph, first?.input ?? []) ?? '', /graph input/)
    assert.match(why(graph, second?.output ?? []) ?? '', /graph output/)
  })

  it('end at what is not a multiple of its input, with the reason', async () => {
    const graph = await graphOf('x[N,3,8,8] -> Conv 3x3 3->4 -> Sigmoid -> Conv 3x3 4->5 -> y')
    assert.match(why(graph, graph.layers[0]?.output ?? []) ?? '', /Sigmoid/)
    const removal = await graphOf('x[N,3,8,8] -> Conv 3x3 3->4 -> Sigmoid -> Conv 3x3 4->5 -> y', 'remove')
    assert.ok(
      open(removal, removal.layers[0]?.output ?? []),
      'a channel can be taken out behind any function of elements',
    )
  })

  it('tie what an Add joins', async () => {
    const graph = await graphOf(
      'x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> a; a -> Conv 1x1 4->4 -> b; a,b -> Add -> Relu -> Conv 1x1 4->2 -> y',
    )
    const [one, two, three] = graph.layers
    assert.deepEqual(one?.output, two?.input)
    assert.deepEqual(one?.output, two?.output)
    assert.deepEqual(two?.output, three?.input)
  })

  it('follow the segments of a Concat', async () => {
    const graph = await graphOf(
      'x[N,3,8,8] -> Conv 1x1 3->4 -> a; x -> Conv 1x1 3->2 -> b; a,b -> Concat axis=1 -> Conv 1x1 6->3 -> y',
    )
    const [one, two, three] = graph.layers
    assert.deepEqual([...(one?.output ?? []), ...(two?.output ?? [])], [...(three?.input ?? [])])
  })

  it('follow a Flatten to every feature that a channel became', async () => {
    const graph = await graphOf('x[N,3,4,4] -> Conv 3x3 3->2 -> Relu -> Flatten -> Gemm 8->3 -> y')
    const [conv, gemm] = graph.layers
    const [a = -1, b = -1] = conv?.output ?? []
    assert.deepEqual([...(gemm?.input ?? [])], [a, a, a, a, b, b, b, b])
  })

  it('follow a channel shuffle', async () => {
    const graph = await graphOf(
      'x[N,3,4,4] -> Conv 1x1 3->4 -> Reshape ints(0,2,2,4,4) -> Transpose perm=0,2,1,3,4 -> Reshape ints(0,4,4,4) -> Conv 1x1 4->2 -> y',
    )
    const [one, two] = graph.layers
    const ids = [...(one?.output ?? [])]
    assert.deepEqual([...(two?.input ?? [])], [ids[0], ids[2], ids[1], ids[3]])
  })

  it('keep the two sides of a depthwise layer apart for a factor, and tie them for removal', async () => {
    const drawing = 'x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> Conv 3x3 4->4 group=4 -> Relu -> Conv 1x1 4->2 -> y'
    const scale = await graphOf(drawing)
    assert.notDeepEqual(scale.layers[1]?.input, scale.layers[1]?.output)
    const remove = await graphOf(drawing, 'remove')
    assert.deepEqual(remove.layers[1]?.input, remove.layers[1]?.output)
  })

  it('list the constants and caps that change with the channels', async () => {
    const graph = await graphOf(
      'x[N,3,8,8] -> Conv 1x1 3->4 -> Add floats[4,1,1] -> Clip number(0) number(6) -> Conv 1x1 4->2 -> y',
    )
    assert.deepEqual(
      graph.carriers.map(({ role, axis }) => ({ role, axis })),
      [{ role: 'add', axis: 0 }],
    )
    assert.deepEqual(
      graph.clips.map(({ low, high, ids }) => [low, high, ids.length]),
      [[0, 6, 4]],
    )
  })

  it('let a gate keep its scale', async () => {
    const graph = await graphOf(
      'x[N,3,8,8] -> Conv 1x1 3->4 -> a; a -> GlobalAveragePool -> Conv 1x1 4->4 -> Sigmoid -> g; a,g -> Mul -> Conv 1x1 4->2 -> y',
    )
    assert.ok(open(graph, graph.layers[0]?.output ?? []))
    assert.deepEqual(graph.layers[0]?.output, graph.layers[2]?.input)
  })
})
