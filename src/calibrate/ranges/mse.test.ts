import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  asymmetricGrid,
  fakeQuantize,
  Histogram,
  meanSquaredError,
  type QuantType,
  symmetricGrid,
} from '../../math/index.ts'
import golden from './fixtures/range-mse.json' with { type: 'json' }
import { mse } from './mse.ts'
import { mseRangeOfValues } from './mse-values.ts'
import { type Range, statisticsOf } from './range.ts'

const samples = new Map(Object.entries(golden.samples).map(([name, x]) => [name, Float32Array.from(x)]))

function errorOf(x: Float32Array, { low, high }: Range, dtype: QuantType, symmetric: boolean): number {
  const { scale, zeroPoint } = symmetric ? symmetricGrid(Math.max(-low, high), dtype) : asymmetricGrid(low, high, dtype)
  const params = { dtype, scale: Float32Array.of(scale), zeroPoint: Int32Array.of(zeroPoint) }
  return meanSquaredError(x, fakeQuantize(x, params, [x.length]))
}

describe('the MSE range', () => {
  for (const { samples: name, bits, dense4000, asymmetric, minmax } of golden.cases) {
    const x = samples.get(name)!
    const [signed, unsigned]: [QuantType, QuantType] = bits === 8 ? ['int8', 'uint8'] : ['int4', 'uint4']

    it(`of exact values comes within 0.5 % of a search over 4000 scales: ${name}, ${bits} bits`, () => {
      const got = errorOf(x, mseRangeOfValues(x, { dtype: signed, symmetric: true }), signed, true)
      assert.ok(got <= dense4000 * 1.005, `${got / dense4000} of the best`)
    })

    it(`of exact values is no worse than a search over 41 × 41 ranges: ${name}, ${bits} bits`, () => {
      const got = errorOf(x, mseRangeOfValues(x, { dtype: unsigned }), unsigned, false)
      assert.ok(got <= asymmetric * 1.02, `${got / asymmetric} of the best`)
    })

    it(`of a histogram is close, and never worse than min-max: ${name}, ${bits} bits`, () => {
      const histogram = new Histogram()
      histogram.add(x)
      const got = errorOf(x, mse.range(statisticsOf(histogram), { dtype: signed, symmetric: true }), signed, true)
      assert.ok(got <= minmax * 1.03 && got <= dense4000 * (bits === 4 ? 1.03 : 1.5), `${got / dense4000} of the best`)
    })
  }
})
