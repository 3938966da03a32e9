import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normForms, normModel } from '../../../test/support/norm-models.ts'
import { randomFeeds, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { observeShapes } from '../../runtime/index.ts'
import type { Model } from '../model.ts'
import { type ChannelGraph, channelGraph } from './channels.ts'
import type { ChannelPurpose } from './scope.ts'

describe('channels behind a norm', async () => {
  const runtime = await testRuntime()

  async function graphOf(model: Model, purpose: ChannelPurpose = 'scale'): Promise<ChannelGraph> {
    return channelGraph(model, await observeShapes(runtime, model, randomFeeds(model)), purpose)
  }
  const gains = (graph: ChannelGraph) => graph.carriers.filter(({ role }) => role === 'gain')

  for (const form of normForms)
    it(`begin at its gain and are open: ${form}`, async () => {
      const graph = await graphOf(normModel(form))
      const [first, one, other] = graph.layers
      const [gain, ...more] = gains(graph)
      assert.equal(more.length, 0)
      assert.equal(gain?.ids.length, 16)
      assert.deepEqual(one?.input, gain.ids)
      assert.deepEqual(other?.input, gain.ids)
      assert.ok(gain.ids.every((id) => !graph.closed.has(id)))
      assert.ok(
        first?.output.every((id) => graph.closed.has(id)),
        'what a norm reads keeps its scale',
      )
      assert.equal(gains(await graphOf(normModel(form), 'remove')).length, 0)
    })

  it('are closed by whatever else reads them', async () => {
    const norm = 'x[N,6,16] -> LayerNormalization floats[16] floats[16] -> n'
    const graph = await graphOf(tinyModel(`${norm}; n -> MatMul 16->16 -> a; n,a -> Add -> Softmax -> y`))
    assert.match(graph.closed.get(gains(graph)[0]?.ids[0] ?? -1) ?? '', /Softmax/)
    const output = await graphOf(tinyModel(`${norm.replace('-> n', '-> n!')}; n -> MatMul 16->16 -> y`))
    assert.match(output.closed.get(gains(output)[0]?.ids[0] ?? -1) ?? '', /graph output/)
  })

  it('need a gain that is a constant', async () => {
    const graph = await graphOf(
      tinyModel('w[16] -> Identity -> g; x[N,6,16] -> LayerNormalization =g -> n; n -> MatMul 16->4 -> y'),
    )
    assert.equal(gains(graph).length, 0)
  })

  it('begin at a number behind channels that keep their scale, one for each of them', async () => {
    const swish = 'x[N,3,4,4] -> Conv 1x1 3->4 -> a; a -> Add number(3) -> Clip number(0) number(6)'
    for (const [drawing, role] of [
      [`${swish} -> b; a,b -> Mul -> Div number(6) -> Add number(1) -> Conv 1x1 4->2 -> y`, 'divisor'],
      [`${swish} -> b; a,b -> Mul -> Mul number(0.2) -> Conv 1x1 4->2 -> y`, 'gain'],
    ] as const) {
      const graph = await graphOf(tinyModel(drawing))
      const [number, ...more] = graph.carriers.filter((each) => each.role === 'gain' || each.role === 'divisor')
      assert.deepEqual([number?.role, more.length], [role, 0])
      assert.deepEqual(number?.ids, graph.layers[1]?.input)
      assert.ok(number?.ids.every((id) => !graph.closed.has(id)))
    }
  })

  it('leave the numbers of a Gelu alone, which the runtime knows it by', async () => {
    const gelu =
      'x[N,6,8] -> MatMul 8->8 -> a; a -> Div number(1.4142) -> Erf -> Add number(1) -> b; a,b -> Mul -> Mul number(0.5) -> MatMul 8->4 -> y'
    const graph = await graphOf(tinyModel(gelu))
    assert.ok(graph.layers[1]?.input.every((id) => graph.closed.has(id)))
  })

  it('begin at no Mul whose operand takes factors itself, whose channels are not followed, or along the batch', async () => {
    for (const drawing of [
      'x[N,3,4,4] -> Conv 1x1 3->4 -> Mul floats[4,1,1] -> Conv 1x1 4->2 -> y',
      'x[N,6,8] -> Sigmoid -> Mul number(3) -> MatMul 8->4 -> y',
      'x[N,6,8] -> Sigmoid -> Mul floats[2,1,1] -> MatMul 8->4 -> y',
      'x[N,6,8] -> Sigmoid -> Mul floats[6,8] -> MatMul 8->4 -> y',
    ])
      assert.equal(gains(await graphOf(tinyModel(drawing))).length, 0, drawing)
  })
})
