import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { meanSquare } from '../../train/index.ts'
import { trainingSamples } from './samples.node.ts'
import { trainableOf } from './trainable.node.ts'

const runtime = await testRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-trainable-'))
after(() => rmSync(folder, { recursive: true }))

const model = tinyModel('x[N,4] -> Gemm 4->4 transB=1 -> h; h -> Relu -> Gemm 4->4 transB=1 -> y')
writeFileSync(join(folder, 'x.bin'), new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)).buffer))
writeFileSync(
  join(folder, 'x.json'),
  JSON.stringify({ format: 'raw', file: 'x.bin', dtype: 'float32', shape: [16, 4] }),
)

async function made(more: object = {}) {
  const given = { model: 'm.onnx', data: join(folder, 'x.json'), ...more }
  const recipe = parseRecipe('finetune', given)
  const samples = await trainingSamples(recipe, model, {})
  const loss = { terms: [meanSquare()], needsTeacher: true, matched: false }
  return { samples, trainable: await trainableOf(runtime, recipe, { model, teacher: model, samples, loss }, {}) }
}

describe('the trainable form of a model', () => {
  it('has every weight and bias, for as many samples as a step takes', async () => {
    const { trainable, samples } = await made({ batch: 8 })
    assert.equal(trainable.prepared.batch, 8)
    assert.equal(trainable.initial.size, 4)
    assert.deepEqual([samples.shares.train.length, samples.scoring.indices.length], [12, 4])
    // Adam's steps are shares of each tensor's size, unless a rate is given.
    assert.ok(trainable.rateOf)
    assert.equal((await made({ lr: 0.1 })).trainable.rateOf, undefined)
  })

  it('has only what was asked for', async () => {
    assert.equal((await made({ train: 'biases' })).trainable.initial.size, 2)
    assert.equal((await made({ only: ['*y'] })).trainable.initial.size, 2)
    await assert.rejects(made({ only: ['nobody'] }), /--only/)
  })

  it('is quantised on the calibration samples where that is asked for', async () => {
    const { trainable } = await made({ qat: true, calibrationSamples: 4 })
    const ops = new Set(trainable.exported(trainable.initial).graph.nodes.map(({ opType }) => opType))
    assert.ok(ops.has('QuantizeLinear') && ops.has('DequantizeLinear'), [...ops].join())
    await assert.rejects(made({ qat: true, batchNorm: 'training' }), /--qat trains the layers with BatchNorm folded/)
  })

  it('is refused where memory would not do, with a batch that would fit', async () => {
    await assert.rejects(made({ memory: 1e-6 }), { exitCode: 6, message: /not even one sample would fit/ })
    await assert.rejects(made({ memory: 251, batch: 65_536 }), { exitCode: 6, message: /--batch \d+ would fit/ })
  })
})
