import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { byteConvolution } from '../../test/support/byte-layers.ts'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import type { TensorValue } from '../base/index.ts'
import { randomStream } from '../math/index.ts'
import { codeLayersOf, type Model } from '../onnx/index.ts'
import { saturates } from '../runtime/index.node.ts'
import { type Runtime, withSession } from '../runtime/index.ts'
import { withUnsignedWeights } from './exact-kernels.ts'
import { saturationOf } from './saturation.ts'

const runtime = await testRuntime()

const codes = (channels: number, least: number): TensorValue => ({
  dtype: 'uint8',
  dims: [1, channels, 6, 6],
  data: Uint8Array.from({ length: channels * 36 }, () => random.integer(least, 255)),
})
const random = randomStream(0, 'codes')

function predicted(model: Model, input: TensorValue) {
  const [layer] = codeLayersOf(model)
  assert.ok(layer)
  return saturationOf(layer, input, [1, model.graph.outputs[0]?.shape?.[1] as number, 6, 6])
}

async function ran(on: Runtime, model: Model, x: TensorValue, asDeployed: boolean): Promise<ArrayLike<number>> {
  const { y } = await withSession(on, model, { asDeployed }, (session) => session.run({ x }))
  assert.ok(y?.data instanceof Uint8Array)
  return y.data
}

describe('the saturation of a layer', () => {
  it('is none for small weights, small codes, unsigned weights, and one input for each output', () => {
    const loud = codes(16, 200)
    assert.equal(predicted(byteConvolution({ most: 60 }), loud)?.share, 0)
    const small: TensorValue = {
      dtype: 'uint8',
      dims: loud.dims,
      data: (loud.data as Uint8Array).map((code) => code / 4),
    }
    assert.equal(predicted(byteConvolution({ most: 127 }), small)?.share, 0)
    const large = byteConvolution({ most: 127 })
    assert.equal(predicted(withUnsignedWeights(large, new Set(['conv'])), loud), undefined)
    assert.equal(predicted(byteConvolution({ most: 127, group: 16, outputs: 1 }), loud), undefined)
  })

  it('is told of large weights and large codes, with the size of the error', () => {
    const { share, error, channels } = predicted(byteConvolution({ most: 127 }), codes(16, 200)) ?? assert.fail('none')
    assert.ok(share > 0.9 && channels.length === 8, `${share}`)
    // At most 72 pairs lose 32,003 each, times both scales.
    assert.ok(error > 4 && error < 72 * 32003 * 0.02 * 0.01, `${error}`)
  })

  it('is that of each group by itself, as this processor shows where it has no exact kernel', async () => {
    for (const drawn of [
      { group: 4 },
      { group: 16, outputs: 1 },
      { group: 16, outputs: 2 },
      { channels: 1, outputs: 1 },
      { channels: 1 },
      { channels: 3 },
    ]) {
      const [model, input] = [byteConvolution({ most: 127, ...drawn }), codes(drawn.channels ?? 16, 200)]
      const [exact, deployed] = [await ran(runtime, model, input, false), await ran(runtime, model, input, true)]
      const seen = Array.from(exact).some((code, i) => Math.abs(code - (deployed[i] ?? 0)) > 1)
      const told = (predicted(model, input)?.error ?? 0) > 6
      assert.equal(seen, saturates() && told, JSON.stringify(drawn))
    }
  })

  it('is what this processor does, where it has no exact kernel, and is gone from unsigned weights', async () => {
    const [model, input] = [byteConvolution({ most: 127 }), codes(16, 200)]
    const exact = await ran(runtime, model, input, false)
    const repaired = withUnsignedWeights(model, new Set(['conv']))
    assert.deepEqual(await ran(runtime, repaired, input, true), exact)
    const deployed = await ran(runtime, model, input, true)
    if (!saturates()) return assert.deepEqual(deployed, exact)
    const { error } = predicted(model, input) ?? assert.fail('none')
    const steps = Math.max(...Array.from(exact, (code, i) => Math.abs(code - (deployed[i] ?? 0))))
    assert.ok(Math.abs(steps - error / 4) <= 1.5, `${steps} steps, predicted ${error / 4}`)
  })
})
