import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { randomStream, sqnrDb } from '../../math/index.ts'
import { layersOf, type Model } from '../../onnx/index.ts'
import { applyRewrites, openHeads } from '../../rewrite/index.ts'
import { observeShapes, withSession } from '../../runtime/index.ts'
import { pruningGroups } from './groups.ts'
import { pruneChannels } from './prune-channels.ts'
import { removeChannels, silenceChannels } from './remove-channels.ts'

/** Four heads of four numbers; `shape` and `joined` are what the Reshapes are given. */
const attention = (shape: string, joined: string, rest = '') =>
  `x[N,5,16] -> Sin -> z; z -> MatMul 16->16 -> q; z -> MatMul 16->16 -> k; z -> MatMul 16->16 -> v; ${rest}q -> Reshape ${shape} -> Transpose perm=0,2,1,3 -> qh; k -> Reshape ${shape} -> Transpose perm=0,2,3,1 -> kh; v -> Reshape ${shape} -> Transpose perm=0,2,1,3 -> vh; qh -> MatMul =kh -> s; s -> Mul number(0.5) -> Add floats[5,5] -> Softmax axis=-1 -> p; p -> MatMul =vh -> Transpose perm=0,2,1,3 -> Reshape ${joined} -> c; c -> MatMul 16->6 -> y`
const fixed = attention('ints(0,5,4,4)', 'ints(0,5,16)')
/** The sizes taken from the value, as exporters do. */
const computed = attention(
  '=split',
  '=merged',
  'z -> Shape -> d; d -> Slice ints(0) ints(2) -> lead; lead -> Concat ints(4) ints(4) axis=0 -> split; lead -> Concat ints(16) axis=0 -> merged; ',
)

const sample = (index: number): { x: TensorValue } => {
  const random = randomStream(index, 'sample')
  return { x: { dtype: 'float32', dims: [1, 5, 16], data: Float32Array.from({ length: 80 }, random.normal) } }
}

async function groupsOf(model: Model) {
  const shapes = await observeShapes(await testRuntime(), model, sample(0))
  return { shapes, ...pruningGroups(model, shapes) }
}

const opened = async (drawing: string) =>
  (await applyRewrites(await testRuntime(), { model: tinyModel(drawing), feeds: sample(0) }, [openHeads])).model

describe('heads of attention', () => {
  for (const [what, drawing] of Object.entries({ 'fixed shapes': fixed, 'computed shapes': computed }))
    it(`go as a whole, queries, keys and values together: ${what}`, async () => {
      const model = await opened(drawing)
      const { groups, graph, shapes } = await groupsOf(model)
      assert.deepEqual(
        groups.map(({ writers, consumers, channels, width }) => [writers, consumers, channels.length, width]),
        [[['MatMul_q', 'MatMul_k', 'MatMul_v'], ['MatMul_y'], 4, 4]],
      )
      const removed = new Set(groups[0]!.channels.slice(1, 3))
      const [cut, silent] = [
        removeChannels(model, shapes, removed, graph),
        silenceChannels(model, graph, removed, () => false),
      ]
      const run = async (made: Model) =>
        (await withSession(await testRuntime(), made, {}, (session) => session.run(sample(1))))['y']!
          .data as Float32Array
      const db = sqnrDb(await run(silent), await run(cut))
      assert.ok(db === null || db > 100, `${db} dB`)
      assert.deepEqual(
        layersOf(cut).map(({ weight }) => weight.shape),
        [
          [16, 8],
          [16, 8],
          [16, 8],
          [8, 6],
        ],
      )
    })

  it('stay where a shape that is computed states their number', async () => {
    const { groups, closed } = await groupsOf(tinyModel(computed))
    assert.equal(groups.length, 0)
    assert.match(closed[0]?.reason ?? '', /is given a shape that would not follow/)
  })

  it('stay where the softmax is over them', async () => {
    const { groups } = await groupsOf(tinyModel(fixed.replace('axis=-1', 'axis=1')))
    assert.equal(groups.length, 0)
  })

  it('that matter least go first, and the projection behind them is fitted again', async () => {
    const model = tinyModel(fixed)
    const samples = Array.from({ length: 40 }, (_, i) => sample(i))
    const { model: pruned, ratio } = await pruneChannels(await testRuntime(), model, { samples, ratio: 0.8 })
    assert.ok(ratio <= 0.8)
    const q = layersOf(pruned).find(({ name }) => name === 'MatMul_q')
    assert.deepEqual(q?.weight.shape, [16, 12])
  })
})

describe('hidden units between two linear layers', () => {
  it('go one by one behind a written out GELU, and through gate and value of a gated unit', async () => {
    const gelu =
      'z -> MatMul 16->12 -> Add floats[12] -> h; h -> Div number(1.4142135) -> Erf -> Add number(1) -> e; h -> Mul =e -> Mul number(0.5) -> g; g -> MatMul 12->6 -> a'
    const gated =
      'z -> MatMul 16->10 -> w; w -> Sigmoid -> s; w -> Mul =s -> t; z -> MatMul 16->10 -> u; t -> Mul =u -> m; m -> MatMul 10->6 -> b'
    const { groups } = await groupsOf(tinyModel(`x[N,5,16] -> Sin -> z; ${gelu}; ${gated}; a -> Add =b -> y`))
    assert.deepEqual(
      groups.map(({ writers, consumers, channels }) => [writers, consumers, channels.length]),
      [
        [['MatMul_v3'], ['MatMul_a'], 12],
        [['MatMul_w', 'MatMul_u'], ['MatMul_b'], 10],
      ].map(([writers, ...rest], i) => [i === 0 ? groups[0]!.writers : writers, ...rest]),
    )
  })
})
