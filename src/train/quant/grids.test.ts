import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { statisticsOf } from '../../calibrate/index.ts'
import { Histogram, type QuantParams } from '../../math/index.ts'
import { layersOf, type Model, Tensor } from '../../onnx/index.ts'
import type { ActivationGrid, PlacedTensor, Plan } from '../../quantize/index.ts'
import { type CodeSpan, largestScale, scaleDims, spanOf, topCode, trainedPlan, withFourBits } from './grids.ts'
import { channelOf, withNarrowScales } from './weight-scales.ts'

const params = (scale: number[], zero = 0, more: Partial<QuantParams> = {}): QuantParams => ({
  dtype: 'uint8',
  scale: Float32Array.from(scale),
  zeroPoint: Int32Array.from(scale, () => zero),
  ...more,
})
const grid = (scale: number, zero: number): ActivationGrid => ({
  params: params([scale], zero),
  low: -zero * scale,
  high: (255 - zero) * scale,
  method: 'minmax',
})

interface Bounds {
  readonly low: number
  readonly high: number
}

/** A plan with one activation "a" between these bounds. */
function planOf(bounds: Bounds | undefined, more: Partial<Plan> = {}): Plan {
  const a = { value: 'a', gridOf: 'a', bounds } as Partial<PlacedTensor> as PlacedTensor
  const placement = { tensors: new Map(bounds ? [['a', a]] : []), layers: new Map() }
  const none = { activations: new Map(), weights: new Map(), weightBits: new Map() }
  return { ...none, placement, ...more } as unknown as Plan
}

describe('the codes of an activation', () => {
  it('are counted from its zero point, in 4 bits too', () => {
    assert.deepEqual(spanOf(grid(0.1, 100), 8), { low: -100, high: 155 })
    assert.deepEqual(spanOf(grid(0.1, 3), 4), { low: -3, high: 12 })
    const wide = { ...grid(0.1, 0), params: params([0.1], 32768, { dtype: 'uint16' }) }
    assert.deepEqual(spanOf(wide, 16), { low: -32768, high: 32767 })
  })
})

describe('the largest scale of an activation', () => {
  const span: CodeSpan = { low: 0, high: 15 }

  it('is that at which its highest code lies at the bound, and never above it in float32', () => {
    fc.assert(
      fc.property(
        fc.float({ min: Math.fround(0.01), max: 1000, noNaN: true }),
        fc.integer({ min: 1, max: 255 }),
        (high, top) => {
          const scale = largestScale(planOf({ low: 0, high }), 'a', { low: 0, high: top })
          assert.ok(Math.fround(scale * top) <= high, `${scale} · ${top} leaves ${high}`)
          assertNear([scale * top], [high], high * 1e-6)
        },
      ),
    )
  })

  it('fits the nearer of two bounds', () => {
    assertNear([largestScale(planOf({ low: -1, high: 6 }), 'a', { low: -10, high: 15 })], [0.1], 1e-7)
    assertNear([largestScale(planOf({ low: -9, high: 6 }), 'a', { low: -10, high: 15 })], [0.4], 1e-7)
  })

  it('is not bounded where the producer is not, or no code goes that way', () => {
    const { POSITIVE_INFINITY: infinite } = Number
    assert.equal(largestScale(planOf(undefined), 'a', span), infinite)
    assert.equal(largestScale(planOf({ low: 0, high: infinite }), 'a', span), infinite)
    assert.equal(largestScale(planOf({ low: -infinite, high: infinite }), 'a', { low: -8, high: 7 }), infinite)
    assert.equal(largestScale(planOf({ low: 0, high: 6 }), 'a', { low: -15, high: 0 }), infinite)
  })
})

describe('a plan of 4-bit activations', () => {
  it('keeps 16 codes in bytes, over the range of the smallest error', () => {
    // 600 values spread over [0, 1) and a single 9: 16 steps over all of [0, 9] would leave two for nearly everything.
    const values = Float32Array.from({ length: 601 }, (_, i) => (i === 600 ? 9 : i / 600))
    const histogram = new Histogram()
    histogram.add(values)
    const seen = new Map([['a', statisticsOf(histogram)]])
    const plan = planOf({ low: 0, high: Number.POSITIVE_INFINITY }, { activations: new Map([['a', grid(9 / 255, 0)]]) })
    const made = withFourBits(plan, seen).activations.get('a')
    const scale = made?.params.scale[0] ?? 0
    assert.deepEqual([made?.params.dtype, made?.params.zeroPoint[0], made?.low], ['uint8', 0, -0])
    assert.equal(made?.high, Math.fround(15 * scale))
    const errorOf = (step: number) =>
      values.reduce((sum, x) => sum + (x - step * Math.min(15, Math.round(x / step))) ** 2, 0)
    // Brute force over ranges: no other one is much better.
    const best = Math.min(...Array.from({ length: 900 }, (_, i) => errorOf((0.1 + i * 0.01) / 15)))
    assert.ok(errorOf(scale) < 1.1 * best, `${errorOf(scale)}, the best is ${best}`)
  })

  it('goes by the grid that is there where nothing was watched', () => {
    const plan = planOf({ low: 0, high: 6 }, { activations: new Map([['a', grid(6 / 255, 0)]]) })
    const made = withFourBits(plan, new Map()).activations.get('a')
    assertNear(made?.params.scale, [6 / 15], 1e-7)
    assert.equal(made?.method, 'mse, 4 bits')
  })
})

describe('the scales of a weight', () => {
  const model = tinyModel('x[N,2,3,3] -> Conv 1x1 2->3 nobias -> y')
  const [layer] = layersOf(model)
  assert.ok(layer)

  it('broadcast to it along their axis, or are one number', () => {
    assert.deepEqual(scaleDims(layer, params([1, 1, 1], 0, { axis: 0 })), [3, 1, 1, 1])
    assert.deepEqual(scaleDims(layer, params([1])), [])
  })

  it('reach to the highest code of their width', () => {
    const plan = planOf(undefined, {
      weightBits: new Map([
        ['four', 4],
        ['two', 2],
      ]),
    })
    assert.deepEqual(
      ['four', 'two', 'other'].map((name) => topCode(plan, name)),
      [7, 1, 127],
    )
  })

  it('are taken of the weights of one channel', () => {
    const values = Float32Array.of(1, 2, 3, 4, 5, 6)
    assert.deepEqual([...channelOf(layer, values, 1)], [3, 4])
    const [turned] = layersOf(tinyModel('x[N,2] -> MatMul 2->3 -> y'))
    assert.deepEqual([...channelOf(turned!, values, 1)], [2, 5], 'a column of a matrix on the right')
  })
})

describe('first scales of weights of few bits', () => {
  function narrowed(rows: readonly number[][], bits: number, perChannel: boolean): number[] {
    const columns = rows[0]?.length ?? 0
    const model = tinyModel(`x[N,${columns}] -> Gemm ${columns}->${rows.length} transB=1 nobias -> y`)
    model.graph.initializers.set('y_weight', Tensor.from('float32', [rows.length, columns], rows.flat()))
    const top = 2 ** (bits - 1) - 1
    const largest = rows.map((row) => Math.max(...row.map(Math.abs)) / top)
    const scale = perChannel ? largest : [Math.max(...largest)]
    const plan = planOf(undefined, {
      weights: new Map([['Gemm_y', params(scale, 0, { dtype: 'int8', ...(perChannel ? { axis: 0 } : {}) })]]),
      weightBits: new Map([['Gemm_y', bits]]),
    })
    return [...(withNarrowScales(model, plan).weights.get('Gemm_y')?.scale ?? [])]
  }

  const errorOf = (row: readonly number[], scale: number, top: number) =>
    row.reduce((sum, x) => sum + (x - scale * Math.max(-top, Math.min(top, Math.round(x / scale)))) ** 2, 0)

  it('have the smallest error of all shares of the covering one', () => {
    const row = [...Array.from({ length: 30 }, (_, i) => Math.sin(1.7 * i) * 0.3), 1]
    const [scale = 0] = narrowed([row], 3, true)
    assert.ok(scale < 1 / 3, 'the outlier is cut')
    for (let share = 0.25; share <= 1; share += 0.001)
      assert.ok(errorOf(row, scale, 3) <= 1.02 * errorOf(row, share / 3, 3), `a share of ${share} is better`)
  })

  it('are one a channel or one in all, and cover weights that lie on the grid', () => {
    const rows = [
      [1, -3, 2],
      [10, 30, -20],
    ]
    assertNear(narrowed(rows, 3, true), [1, 10], 1e-6)
    assert.equal(narrowed(rows, 3, false).length, 1)
    assertNear(narrowed(rows, 8, true), [3 / 127, 30 / 127], 1e-8, 'of 8 bits, which stay')
  })

  it('stay for weights of zeros', () => {
    assert.deepEqual(narrowed([[0, 0]], 2, true), [0])
  })
})

describe('the plan of what was trained', () => {
  const drawing = 'x[N,2] -> Gemm 2->2 transB=1 nobias -> y'
  function trained(values: Map<string, Float32Array>): { model: Model; plan: Plan } {
    const model = tinyModel(drawing)
    const placed = { value: 'x', gridOf: 'x' } as Partial<PlacedTensor> as PlacedTensor
    const placement = {
      tensors: new Map([['x', placed]]),
      layers: new Map([['Gemm_y', {}]]),
      integer: new Set(['Gemm_y']),
    }
    const plan = planOf(undefined, {
      placement: placement as unknown as Plan['placement'],
      activations: new Map([['x', grid(0.1, 0)]]),
      weights: new Map([['Gemm_y', params([0.5, 1], 0, { dtype: 'int8', axis: 0 })]]),
      weightBits: new Map([['Gemm_y', 2]]),
    })
    return trainedPlan(model, plan, values)
  }

  it('has trained scales, and weights cut to the codes of their width', () => {
    const values = new Map([
      ['train/scale/x', Float32Array.of(0.25)],
      ['train/weight_scale/Gemm_y', Float32Array.of(2, 3)],
      ['y_weight', Float32Array.of(7, -1, -9, 2.5)],
    ])
    const { model, plan } = trained(values)
    assert.deepEqual([...(plan.activations.get('x')?.params.scale ?? [])], [0.25])
    assert.deepEqual([...(plan.weights.get('Gemm_y')?.scale ?? [])], [2, 3])
    // Codes −1 to 1 of 2 bits.
    assert.deepEqual(layersOf(model)[0]?.weight.numbers(), [2, -1, -3, 2.5])
    values.get('train/scale/x')?.fill(9)
    assert.equal(plan.activations.get('x')?.params.scale[0], 0.25, 'what is trained on does not reach it')
  })

  it('keeps the scales that were not trained', () => {
    const { plan } = trained(new Map([['y_weight', Float32Array.of(0.1, 0.1, 0.1, 0.1)]]))
    assert.deepEqual([...(plan.weights.get('Gemm_y')?.scale ?? [])], [0.5, 1])
    assertNear(plan.activations.get('x')?.params.scale, [0.1], 1e-8)
  })
})
