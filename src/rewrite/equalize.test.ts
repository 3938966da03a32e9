import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normModel } from '../../test/support/norm-models.ts'
import { assertClose, contextOf, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { channelStatistics } from '../calibrate/index.ts'
import type { Batch } from '../data/index.ts'
import { randomStream } from '../math/index.ts'
import { channelRequests } from './channel-requests.ts'
import { fewerRows, layerNoise, type NoiseLayer, noiseObjective } from './equalize/noise-model.ts'
import { equalize } from './equalize.ts'

const random = randomStream(1, 'noise model')
const positive = (n: number) => Float64Array.from({ length: n }, () => Math.exp(random.normal()))

function layer(groups: number, outputs: number, inputs: number, perChannel: boolean, first: number): NoiseLayer {
  const n = inputs / groups
  const largest = positive(outputs * n)
  return {
    name: 'layer',
    groups,
    outputs,
    inputsPerGroup: n,
    outputVariable: Int32Array.from({ length: outputs }, (_, o) => (o === 0 ? -1 : first + inputs + o)),
    inputVariable: Int32Array.from({ length: inputs }, (_, i) => first + i),
    largest,
    energy: largest.map((x) => x * x * 0.7 * 9),
    positions: 9,
    importance: positive(outputs),
    variance: positive(inputs),
    magnitude: positive(inputs),
    weightSteps: 7,
    perChannel,
    inputSteps: 15,
  }
}

describe('the noise model', () => {
  it('sees in some rows of a large layer what all of them show, and leaves others as they are', () => {
    const whole = { ...layer(1, 2048, 256, true, 0), inputSteps: 0 }
    const some = fewerRows(whole)
    assert.equal(some.outputs, 128)
    const u = Float64Array.from({ length: 4096 }, random.normal)
    const [all, few] = [layerNoise([whole], u)[0] ?? 0, layerNoise([some], u)[0] ?? 0]
    assert.ok(Math.abs(few / all - 1) < 0.5, `${few} of ${all}`)
    for (const other of [layer(1, 2048, 256, false, 0), layer(2, 2048, 256, true, 0), layer(1, 100, 256, true, 0)])
      assert.equal(fewerRows(other), other)
  })

  for (const perChannel of [false, true])
    for (const groups of [1, 2, 4])
      it(`has the gradient of its value: ${groups} groups, ${perChannel ? 'a scale a channel' : 'one scale'}`, () => {
        const layers = [layer(groups, 4, 4, perChannel, 0), layer(1, 4, 4, perChannel, 4)]
        const tensor = { variable: Int32Array.of(1, 2), magnitude: positive(2), importance: positive(2), steps: 3 }
        const objective = noiseObjective(layers, [tensor], 12)
        const at = Float64Array.from({ length: 12 }, () => 0.5 * random.normal())
        const gradient = new Float64Array(12)
        objective(at, gradient)
        for (let v = 0; v < 12; v++) {
          const side = (sign: number) =>
            objective(
              at.map((x, i) => (i === v ? x + sign * 1e-5 : x)),
              new Float64Array(12),
            )
          const numeric = (side(1) - side(-1)) / 2e-5
          assert.ok(Math.abs(numeric - (gradient[v] ?? 0)) < 1e-6, `variable ${v}: ${gradient[v]}, expected ${numeric}`)
        }
      })

  it('does not change when all channels of a link are scaled alike, but for the pull', () => {
    const one = layer(1, 3, 3, false, 0)
    const objective = noiseObjective([{ ...one, outputVariable: Int32Array.of(-1, -1, -1) }], [], 3)
    const value = (x: number) => objective(new Float64Array(3).fill(x), new Float64Array(3))
    assert.ok(Math.abs(value(0) - value(1)) < 1e-5)
  })
})

describe('equalisation', () => {
  for (const form of ['LayerNormalization', 'SkipSimplifiedLayerNormalization', 'layer norm, written out'])
    it(`evens out the channels behind a norm and keeps the function: ${form}`, async () => {
      const model = normModel(form, 60)
      const feeds = randomFeeds(model)
      const { shapes } = await contextOf(model, feeds)
      async function* batches(): AsyncGenerator<Batch> {
        yield { ids: ['a', 'b'], size: 2, inputs: feeds }
      }
      const requests = channelRequests(model, shapes)
      const seen = await channelStatistics(await testRuntime(), model, batches(), { requests, shapes, total: 2 })
      const result = await equalize(model, shapes, seen, { weights: 'per-channel' })
      assertClose(await run(model, feeds), await run(result.model, feeds), 100, 1e-5)
      assert.ok(result.scaled.has('n'))
      const unevenness = (deviation: Float64Array | undefined) =>
        deviation ? Math.max(...deviation) / Math.min(...deviation) : Number.NaN
      const [before, after] = [seen, result.statistics].map((known) => unevenness(known.get('n')?.deviation))
      assert.ok(before !== undefined && before > 50, `${before}`)
      assert.ok(after !== undefined && after < 8, `the largest deviation is ${after} times the smallest`)
    })
})
