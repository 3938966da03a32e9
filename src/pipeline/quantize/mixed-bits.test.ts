import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { RefusedError } from '../../base/index.ts'
import { layersOf, writeModel } from '../../onnx/index.ts'
import { insertBlocked, plainBlocks, quantizeDefaults } from '../../quantize/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import type { Blocked } from './block-codes.ts'
import { mixedBits } from './mixed-bits.ts'
import type { ModeJob } from './mode.ts'

describe('bits of each layer under a size', () => {
  const model = tinyModel(
    'x[N,64] -> Gemm 64->64 nobias -> Tanh -> Gemm 64->128 nobias -> Tanh -> Gemm 128->64 nobias -> y',
  )
  const layers = layersOf(model)
  const few = plainBlocks(new Map(layers.map((layer) => [layer, { block: 32, bits: 4 }])))
  const finish = (weights: Blocked) => insertBlocked(model, weights, { form: 'matmul-nbits', accuracyLevel: 0 })
  const bytesOf = (weights: Blocked) => writeModel(finish(weights)).byteLength
  const job = (maxBytes: number) =>
    ({
      recipe: parseRecipe('quantize', { model: 'm', data: 'none', mode: 'weights', weightBits: 4, maxBytes }),
      options: quantizeDefaults,
      notes: [],
      watch: {},
    }) as unknown as ModeJob

  it('takes 8 in as many as fit, and never exceeds it', async () => {
    const least = bytesOf(few)
    let most = few.size
    for (const extra of [0, 20_000, 100_000]) {
      const mixed = await mixedBits(job(least + extra), few, { block: 32, finish })
      assert.ok(bytesOf(mixed) <= least + extra, `${bytesOf(mixed)} of ${least + extra} bytes`)
      assert.ok(mixed.size <= most)
      most = mixed.size
    }
    assert.equal(most, 0)
  })

  it('refuses one that 4 bits everywhere exceed', async () => {
    await assert.rejects(mixedBits(job(1000), few, { block: 32, finish }), RefusedError)
  })
})
