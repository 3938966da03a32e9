import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import { Tensor } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { quantizeFile } from '../quantize.node.ts'
import { harmless } from './harmless.ts'
import type { QuantizeRun } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-ranges-'))
const runtime = await testRuntime()
after(() => rmSync(folder, { recursive: true }))

describe('proposed ranges that do no harm', () => {
  const members = Array.from({ length: 40 }, (_, i) => i)

  async function search(harm: (member: number) => number, most = 28) {
    let measured = 0
    const kept = await harmless(
      members,
      async (some, form) => {
        measured++
        return some.reduce((sum, member) => sum + (form === 'before' ? 1 : harm(member)), 0)
      },
      { blocks: 5, most },
    )
    return { kept: kept.sort((a, b) => a - b), measured }
  }

  it('are all, none, or those on the right side of where harm begins', async () => {
    assert.deepEqual((await search(() => 0.5)).kept, members)
    assert.deepEqual((await search(() => 2)).kept, [])
    const { kept, measured } = await search((member) => (member < 29 ? 0.9 : 20))
    assert.deepEqual(kept, members.slice(0, 28))
    assert.ok(measured <= 28, `${measured}`)
  })

  it('are none of a block that is not a number, and few where measurements are', async () => {
    assert.deepEqual((await search((member) => (member < 8 ? Number.NaN : 2))).kept, [])
    const { kept, measured } = await search((member) => (member < 29 ? 0.9 : 20), 10)
    assert.deepEqual(kept, members.slice(0, 24))
    assert.equal(measured, 10)
  })
})

describe('range methods on a channel that is all outliers', () => {
  /** A LayerNormalization one channel of which is 60 times as large, rarely and with little behind it but the outputs. */
  async function outlier(): Promise<string> {
    const model = tinyModel(
      'x[N,8,64] -> LayerNormalization floats[64] floats[64] -> a; a -> MatMul floats[64,96] -> Relu -> MatMul floats[96,64] -> b; a -> Add =b -> MatMul floats[64,8] -> y',
    )
    const norm = model.graph.nodes.find((node) => node.opType === 'LayerNormalization')
    const gamma = model.graph.initializers.get(norm?.inputs[1] ?? '')
    assert.ok(gamma)
    const loud = gamma.floats().map((value, channel) => (channel === 5 ? 60 : value))
    model.graph.initializers.set(norm?.inputs[1] ?? '', Tensor.from('float32', gamma.shape, loud))
    const file = join(folder, 'outlier.onnx')
    await writeModelFile(model, file)
    return file
  }

  async function quantized(fields: object): Promise<QuantizeRun> {
    const given = {
      data: 'random',
      samples: 32,
      techniques: ['none'],
      output: join(folder, 'o.onnx'),
    }
    const recipe = parseRecipe('quantize', { ...given, model: await outlier(), ...fields })
    return quantizeFile(runtime, recipe)
  }

  const dbOf = ({ comparison }: QuantizeRun) => Object.values(comparison?.sqnrDb ?? {})[0] ?? 0

  it('never lose to min-max', async () => {
    const plain = dbOf(await quantized({ range: 'minmax' }))
    for (const range of ['mse', 'entropy', 'percentile', 'sqnr']) {
      const run = await quantized({ range })
      const note = run.notes.find((each) => each.startsWith(`${range}: `)) ?? ''
      assert.ok(dbOf(run) >= plain - 0.3, `${range}: ${dbOf(run)} of ${plain}; ${note}`)
      if (run.statistics?.minmaxValues) assert.match(note, /: \d+ of \d+ ranges kept; /)
    }
  })

  it('come out the same from stored statistics', async () => {
    for (const effort of ['default', 'fast']) {
      const run = await quantized({ effort, range: 'entropy' })
      assert.ok(run.statistics?.minmaxValues?.length, 'nothing was decided')
      const before = readFileSync(run.output)
      const again = await quantized({
        effort,
        range: 'entropy',
        data: 'none',
        samples: undefined,
        statistics: run.statistics,
      })
      assert.ok(before.equals(readFileSync(again.output)), 'the files differ')
    }
  })
})
