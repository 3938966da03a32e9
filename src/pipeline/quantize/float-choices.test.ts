import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import { type Model, Tensor } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { quantizeFile } from '../quantize.node.ts'
import { layerCounts } from '../quantize-report.ts'
import { bestChoice, type FloatChoice, PRICES, WHATEVER } from './float-choices.ts'
import type { QuantizeRun } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-float-'))
const runtime = await testRuntime()
after(() => rmSync(folder, { recursive: true }))

const BODY = 'Conv 3x3 16->32 pads=1,1,1,1 -> Relu -> Conv 3x3 32->32 pads=1,1,1,1 -> Relu -> Conv 1x1 32->4 -> y'

/** SiLU between two small layers at the head of larger ones; equalisation does not see through it. */
function silu(): Model {
  return tinyModel(
    `x[N,3,12,12] -> Conv 3x3 3->8 pads=1,1,1,1 -> a; a -> Sigmoid -> s; a -> Mul =s -> Conv 1x1 8->16 -> Relu -> ${BODY}`,
  )
}

/** One channel of the first layer is a thousand times as large as the others, and the next layer hardly looks at it. */
function withKiller(): Model {
  const model = silu()
  const [first, second] = model.graph.nodes.filter((node) => node.opType === 'Conv')
  const change = (name: string | undefined, value: (old: number, index: number) => number) => {
    const tensor = model.graph.initializers.get(name ?? '')
    assert.ok(tensor)
    model.graph.initializers.set(name ?? '', Tensor.from('float32', tensor.shape, tensor.floats().map(value)))
  }
  change(first?.inputs[2], (old, channel) => (channel === 0 ? 2000 : old))
  change(second?.inputs[1], (old, index) => (index % 8 === 0 ? 1e-4 * old : old))
  return model
}

async function quantized(model: Model, fields: object = {}): Promise<QuantizeRun> {
  const file = join(folder, 'model.onnx')
  await writeModelFile(model, file)
  const given = { model: file, data: 'random', samples: 12, output: join(folder, 'out.onnx') }
  return quantizeFile(runtime, parseRecipe('quantize', { ...given, ...fields }))
}

const rowOf = ({ ladder = [] }: QuantizeRun) => ladder.find(({ name }) => name === 'spared')
const dbOf = ({ comparison }: QuantizeRun) => Object.values(comparison?.sqnrDb ?? {})[0] ?? 120

describe('what stays float where one grid costs most', () => {
  it('finds the activation that kills the network, and leaves little but its neighbours float', async () => {
    const dead = await quantized(withKiller(), { techniques: ['none'] })
    const run = await quantized(withKiller(), { techniques: ['keep-float'] })
    assert.ok(dbOf(dead) < 10, `${dbOf(dead)}`)
    assert.ok(dbOf(run) > 25, `${dbOf(run)}`)
    assert.equal(rowOf(run)?.kept, true)
    assert.match(rowOf(run)?.reason ?? '', /^\+\d+\.\d dB: \d grids less, \d\.\d % of the multiplications in float$/)
    // The two large layers multiply most, and are never worth it.
    assert.ok(layerCounts(run).integer >= 2)
    assert.equal(run.float.length, 5 - layerCounts(run).integer)
    assert.match(run.float[0]?.reason ?? '', /^an integer grid for "\w+" costs too much of the outputs$/)
  })

  it('is repeated from stored statistics without a sample', async () => {
    const run = await quantized(withKiller())
    const again = await quantized(withKiller(), { data: 'none', statistics: run.statistics })
    assert.deepEqual(layerCounts(again), layerCounts(run))
    assert.deepEqual([...(again.plan?.activations.keys() ?? [])], [...(run.plan?.activations.keys() ?? [])])
  })

  it('tries nothing where the outputs are sound', async () => {
    const run = await quantized(silu())
    assert.equal(rowOf(run), undefined)
    assert.equal(layerCounts(run).integer, 5)
  })

  const score = (db: number) => ({ db, comparison: { samples: 8, sqnrDb: { y: db } } })
  const choice = (share: number): FloatChoice => ({ values: new Set(['a']), grids: 1, share })
  const kept = async (gains: readonly (readonly [share: number, db: number])[], before = 10, prices = PRICES) => {
    const choices = gains.map(([share]) => choice(share))
    const build = async (one: FloatChoice) => ({
      built: undefined,
      score: score(gains[choices.indexOf(one)]?.[1] ?? 0),
    })
    const { best, kept } = await bestChoice(choices, score(before), build, prices)
    return kept ? best?.choice.share : undefined
  }

  it('asks for three dB, and for more where much would be float', async () => {
    assert.equal(await kept([[0, 12.9]]), undefined)
    assert.equal(await kept([[0.01, 14]]), 0.01)
    assert.equal(await kept([[0.1, 14]]), undefined)
    assert.equal(
      await kept([
        [0.02, 16],
        [0.2, 19],
      ]),
      0.02,
    )
    assert.equal(await kept([[0.01, Number.NaN]]), undefined)
    // A dead model is brought back whatever it costs, and no further than it pays.
    assert.equal(await kept([[0.12, 11]], 4), 0.12)
    assert.equal(await kept([[0.12, 9]], 4), undefined)
    assert.equal(
      await kept(
        [
          [0.02, 8],
          [0.12, 12],
          [0.25, 13],
        ],
        4,
      ),
      0.12,
    )
  })

  it('asks for half a dB and no price where accuracy is preferred', async () => {
    assert.equal(await kept([[0.2, 10.6]], 10, WHATEVER), 0.2)
    assert.equal(await kept([[0.2, 10.4]], 10, WHATEVER), undefined)
  })

  it('are tried on sound outputs too where accuracy is preferred', async () => {
    const row = rowOf(await quantized(silu(), { prefer: 'accuracy' }))
    assert.ok(row)
  })
})
