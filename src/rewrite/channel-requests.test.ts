import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomFeeds, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { Model } from '../onnx/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { channelRequests, equalizeRequests, foldRequests } from './channel-requests.ts'

/** A feed-forward part with a residual, as transformers have it. */
const block = (first: string) =>
  `x[N,6,8] -> ${first} -> n -> MatMul floats[8,16] -> m -> Add floats[16] -> Sigmoid -> s -> MatMul floats[16,8] -> Add floats[8] -> Add =x -> y`

describe('channel requests', async () => {
  const runtime = await testRuntime()
  const ask = async (model: Model) => {
    const shapes = await observeShapes(runtime, model, randomFeeds(model))
    const names = (list: readonly { value: string }[]) => list.map(({ value }) => value).sort()
    return {
      all: names(channelRequests(model, shapes)),
      equalize: names(equalizeRequests(model, shapes)),
      fold: names(foldRequests(model, shapes)),
    }
  }

  it('are none for a block whose channels can neither be scaled nor folded', async () => {
    const { all, equalize, fold } = await ask(tinyModel(block('Softmax axis=-1')))
    assert.ok(all.length > 0)
    assert.deepEqual([equalize, fold], [[], []])
  })

  it('are those around the gain of a norm, and not those behind the activation', async () => {
    const { equalize, fold } = await ask(tinyModel(block('LayerNormalization floats[8] floats[8] axis=-1')))
    assert.ok(equalize.includes('n') && equalize.includes('m') && !equalize.includes('s'), equalize.join())
    assert.deepEqual(fold, [])
  })

  it('are all that was asked for where one class links every layer', async () => {
    const { all, equalize } = await ask(
      tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Relu -> r -> Conv 3x3 4->5 -> y'),
    )
    assert.deepEqual(equalize, all)
  })

  it('leave out layers that no open class reaches', async () => {
    const { all, equalize } = await ask(
      tinyModel(
        'x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Relu -> r -> Conv 3x3 4->5 -> d -> Sigmoid -> s -> Conv 3x3 5->6 -> e -> Softmax axis=1 -> y',
      ),
    )
    assert.ok(all.includes('e') && all.includes('s'))
    assert.deepEqual(equalize, ['c', 'd', 'r', 'x'])
  })

  it('ask of layers what a constant could be kept of, in front of the activation', async () => {
    const { fold } = await ask(
      tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Relu -> r -> Flatten -> MatMul floats[144,5] -> m -> Relu -> y'),
    )
    assert.deepEqual(fold, ['c', 'm'])
  })
})
