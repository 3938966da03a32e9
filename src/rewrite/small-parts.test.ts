import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../test/support/assert-near.ts'
import { randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { channelGraph, GraphEditor, layersOf, makeNode, nodeName, Tensor } from '../onnx/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { boundChannels } from './channel-clip.ts'
import { originOf, setOrigin, sourcesOf } from './constants/origins.ts'
import { type CapNoise, chooseCaps } from './equalize/choose-caps.ts'
import { perChannel } from './equalize/per-channel.ts'
import { hasStaticInputs } from './static-shapes.ts'

describe('a constant written out for each channel', () => {
  it('broadcasts to what it did before', () => {
    const sizes = fc.integer({ min: 1, max: 3 })
    fc.assert(
      fc.property(
        sizes,
        sizes,
        fc.integer({ min: 2, max: 5 }),
        fc.constantFrom(-2, -1, 0, 1, 2),
        (a, b, count, axis) => {
          const shape = [a, b].map((size, at) => (at === axis ? 1 : size)).concat(axis === 2 ? [1, 3] : [2])
          const size = shape.reduce((x, y) => x * y, 1)
          const values = Float64Array.from({ length: size }, (_, i) => i + 1)
          const made = perChannel(values, shape, axis, count)
          const lead = Math.max(0, -axis)
          const at = Math.max(0, axis)
          assert.deepEqual(made.shape, [...Array(lead).fill(1), ...shape].with(at, count))
          // Every place of the result has the value of the place it was repeated from.
          const inner = made.shape.slice(at + 1).reduce((x, y) => x * y, 1)
          for (const [i, value] of made.values.entries()) {
            const from = Math.floor(i / (inner * count)) * inner + (i % inner)
            assert.equal(value, values[from])
          }
        },
      ),
    )
  })

  it('is copied where it has an entry for each already', () => {
    const values = Float64Array.of(1, 2, 3)
    const made = perChannel(values, [3, 1], 0, 3)
    assert.deepEqual(made, { shape: [3, 1], values })
    assert.notEqual(made.values, values)
  })
})

describe('a Clip with bounds of its own for each channel', () => {
  async function bounded(low: readonly number[], high: readonly number[]) {
    const model = tinyModel('x[2,3,4] -> Clip number(-1) number(1) -> y')
    const feeds = randomFeeds(model)
    const editor = new GraphEditor(model)
    const bounds = { low: Float64Array.from(low), high: Float64Array.from(high) }
    boundChannels(
      editor,
      editor.nodes('Clip')[0]!,
      { ...bounds, axis: 1 },
      await observeShapes(await testRuntime(), model, feeds),
    )
    const made = editor.finish()
    const expected = Float32Array.from(feeds['x']?.data as Float32Array, (value, i) => {
      const c = Math.floor(i / 4) % 3
      return Math.min(high[c]!, Math.max(low[c]!, value))
    })
    assertNear((await run(made, feeds))['y']?.data as Float32Array, expected, 1e-6)
    return made.graph.nodes.map(({ opType }) => opType)
  }
  const none = 3.4028234663852886e38

  it('stays a Clip while they are equal, else is what is needed of Relu, Max and Min', async () => {
    assert.deepEqual(await bounded([-0.5, -0.5, -0.5], [2, 2, 2]), ['Clip'])
    assert.deepEqual(await bounded([0, 0, 0], [1, 0.5, 2]), ['Relu', 'Min'])
    assert.deepEqual(await bounded([-1, 0, 0.1], [1, 0.5, 2]), ['Max', 'Min'])
    assert.deepEqual(await bounded([0, 0.1, 0.2], [1, 0.5, 2]), ['Max', 'Min'])
    assert.deepEqual(await bounded([-1, 0, 0.1], [none, none, none]), ['Max'])
    assert.deepEqual(await bounded([-none, -none, -none], [0.1, 0.2, 0.3]), ['Min'])
  })
})

describe('caps that are freed', () => {
  /** Two capped maps in a row; the noise of the three layers around them, held and free. */
  async function chosen(
    noise: readonly (readonly [held: number, free: number])[],
    ms: Readonly<Record<string, number>> = {},
  ) {
    const model = tinyModel(
      'x[1,3,6,6] -> Conv 1x1 3->4 -> Clip number(0) number(6) -> a -> Conv 1x1 4->4 -> Clip number(0) number(6) -> b -> Conv 1x1 4->2 -> y',
    )
    const graph = channelGraph(model, await observeShapes(await testRuntime(), model, randomFeeds(model)), 'scale')
    const named = layersOf(model).map(({ node }, i): CapNoise => {
      const [held = 0, free = 0] = noise[i] ?? []
      return { name: nodeName(node), held, free }
    })
    return [...(await chooseCaps(graph, named, async (value) => ms[value] ?? 1))].sort()
  }

  it('are those whose layers gain, as many as bring nine tenths of it', async () => {
    // The first cap lies between the first two layers, the second between the last two.
    assert.deepEqual(
      await chosen([
        [10, 0],
        [1, 1],
        [1, 0.5],
      ]),
      ['a'],
    )
    assert.deepEqual(
      await chosen([
        [1, 1],
        [1, 1],
        [10, 0],
      ]),
      ['b'],
    )
    assert.deepEqual(
      await chosen([
        [5, 0],
        [1, 1],
        [5, 0],
      ]),
      ['a', 'b'],
    )
  })

  it('are the cheaper ones where several bring the same', async () => {
    const shared = [
      [0, 0],
      [9, 0],
      [0, 0],
    ] as const
    assert.deepEqual(await chosen(shared, { a: 5 }), ['b'])
    assert.deepEqual(await chosen(shared, { b: 5 }), ['a'])
  })

  it('are not kept back by layers that lose', async () => {
    assert.deepEqual(
      await chosen([
        [10, 0],
        [1, 50],
        [1, 1],
      ]),
      ['a'],
    )
  })

  it('are none where freeing all gains next to nothing, or loses', async () => {
    assert.deepEqual(
      await chosen([
        [10, 9.9],
        [10, 10],
        [10, 10],
      ]),
      [],
    )
    assert.deepEqual(
      await chosen([
        [1, 5],
        [1, 5],
        [1, 5],
      ]),
      [],
    )
  })
})

describe('where constants come from', () => {
  it('is followed to what files hold', () => {
    const [a, b, sum, twice] = [1, 2, 3, 6].map((value) => Tensor.scalar(value)) as [Tensor, Tensor, Tensor, Tensor]
    const node = makeNode({ opType: 'Add', inputs: ['a', 'b'], outputs: ['c'] })
    setOrigin(sum, { node, inputs: [a, undefined, b], opset: 17 })
    setOrigin(twice, { node, inputs: [sum, sum], opset: 17 })
    assert.deepEqual(sourcesOf(twice), new Set([a, b]))
    assert.deepEqual(sourcesOf(a), new Set([a]))
    assert.deepEqual([originOf(sum)?.opset, originOf(a)], [17, undefined])
  })
})

describe('inputs of fixed sizes', () => {
  it('leave the batch open at most', () => {
    assert.equal(hasStaticInputs(tinyModel('x[N,3] -> Relu -> y')), true)
    assert.equal(hasStaticInputs(tinyModel('x[2,3] -> Relu -> y')), true)
    assert.equal(hasStaticInputs(tinyModel('x[N,L] -> Relu -> y')), false)
    const unknown = tinyModel('x[N,3] -> Relu -> y')
    unknown.graph.inputs[0] = { name: 'x', dtype: 'float32' }
    assert.equal(hasStaticInputs(unknown), false)
  })
})
