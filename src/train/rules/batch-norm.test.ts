import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { withSession } from '../../runtime/index.ts'
import { crossEntropy } from '../loss/terms.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { FEEDS } from '../training-graph.ts'

const BATCH = 3

function noise(dims: readonly number[], purpose: string): TensorValue & { readonly data: Float32Array } {
  const random = randomStream(3, purpose)
  return { dtype: 'float32', dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal) }
}

describe('BatchNorm in training', () => {
  // 16 channels fill whole blocks and take sums of products as a convolution; 6 do not.
  for (const channels of [6, 16])
    it(`has the statistics of its batch and the derivative of the loss along any direction: ${channels} channels`, async () => {
      const drawing = `x[N,${channels},4,5] -> BatchNormalization -> Sin -> BatchNormalization -> GlobalAveragePool -> Flatten -> Gemm ${channels}->4 -> y`
      const sample = { x: noise([1, channels, 4, 5], 'sample') }
      const options = { train: 'all', batch: BATCH, batchNorm: 'training', loss: [crossEntropy()] } as const
      const { graph, initial } = await floatTrainableModel(
        await testRuntime(),
        tinyModel(drawing, { opset: 18 }),
        sample,
        options,
      )
      const x = noise([BATCH, channels, 4, 5], 'x')
      const rows = {
        [FEEDS.labels]: { dtype: 'int64', dims: [BATCH], data: BigInt64Array.of(0n, 1n, 2n) } as const,
        [FEEDS.rowWeight]: { dtype: 'float32', dims: [BATCH], data: new Float32Array(BATCH).fill(1) } as const,
      }
      const along = new Map(graph.parameters.map(({ name, dims }) => [name, noise(dims, name).data]))
      await withSession(await testRuntime(), graph.model, { optimization: 'extended' }, async (session) => {
        const at = (step: number) => {
          const moved = graph.parameters.map(({ name, dims }): [string, TensorValue] => {
            const data = Float32Array.from(
              initial.get(name) ?? [],
              (value, i) => value + step * (along.get(name)?.[i] ?? 0),
            )
            return [name, { dtype: 'float32', dims, data }]
          })
          return session.run({ x, ...rows, ...Object.fromEntries(moved) })
        }
        const here = await at(0)
        const [first] = graph.batchNorms
        for (let c = 0; c < channels; c++) {
          const own = x.data.filter((_, i) => Math.floor(i / 20) % channels === c)
          const mean = own.reduce((a, b) => a + b, 0) / own.length
          const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length
          const found = Number(here[first?.batchVariance ?? '']?.data[c])
          assert.ok(Math.abs(found - variance) < 1e-5 * variance, `variance of channel ${c}: ${found} for ${variance}`)
        }
        let slope = 0
        for (const { name, gradient } of graph.parameters)
          for (const [i, share] of (along.get(name) ?? []).entries()) slope += share * Number(here[gradient]?.data[i])
        const step = 2e-3
        const [ahead, behind] = [await at(step), await at(-step)]
        const measured = (Number(ahead[graph.loss]?.data[0]) - Number(behind[graph.loss]?.data[0])) / (2 * step)
        assert.ok(Math.abs(slope - measured) < 2e-3 * Math.max(1, Math.abs(measured)), `${slope} for ${measured}`)
      })
    })
})
