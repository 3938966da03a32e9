import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type ErrorCurves, macs, parameterBytes, surveyLayers, wholeShape } from '../../compress/index.ts'
import { observeShapes } from '../../runtime/index.ts'
import { type Choices, fixedCost, splitPlans, totalCost } from './choices.ts'
import { isRefusal } from './plan.ts'

const runtime = await testRuntime()
const model = tinyModel(
  'x[N,16] -> Gemm 16->16 transB=1 -> a; a -> Relu -> Gemm 16->16 transB=1 -> b; b -> Relu -> Gemm 16->16 transB=1 -> y',
)
const shapes = await observeShapes(runtime, model, {
  x: { dtype: 'float32', dims: [1, 16], data: new Float32Array(16).fill(1) },
})
const survey = surveyLayers(model, shapes)

/** Errors that fall with the rank, `scale` times as large in one layer as in another. */
const curvesOf = (scales: Readonly<Record<string, number>>): Map<string, ErrorCurves> =>
  new Map(
    Object.entries(scales).map(([name, scale]) => [
      name,
      { name, curves: [{ split: 'output-side', errors: Array.from({ length: 7 }, (_, i) => scale / (i + 1)) }] },
    ]),
  )

const choices = (more: Partial<Choices> = {}): Choices => ({
  ...{ layers: survey.layers, curves: curvesOf({ Gemm_a: 1, Gemm_b: 10, Gemm_y: 100 }), cost: macs, fixed: 0 },
  ...{ keepLayers: new Set(), multiple: 1, family: 'auto', select: 'knapsack', monotone: false },
  ...more,
})
const plansFor = (ratios: readonly number[], more?: Partial<Choices>) => splitPlans(choices(more), ratios)
const reasonOf = (ratio: number, more?: Partial<Choices>) => {
  const [found] = plansFor([ratio], more)
  assert.ok(found && isRefusal(found), 'out of reach')
  return found.refused
}

describe('a choice of splits', () => {
  it('spares the layers that lose most, keeps each share, and tells what every layer is thought to lose', () => {
    const [mild, strong] = plansFor([0.8, 0.5])
    assert.ok(mild && strong && !isRefusal(mild) && !isRefusal(strong))
    assert.ok(mild.ratio <= 0.8 && strong.ratio <= 0.5)
    assert.ok(!('Gemm_y' in mild.splits) && 'Gemm_a' in mild.splits, Object.keys(mild.splits).join())
    assert.ok((strong.splits['Gemm_y']?.rank ?? 16) >= (strong.splits['Gemm_a']?.rank ?? 16))
    assert.deepEqual(Object.keys(mild.losses), ['Gemm_a', 'Gemm_b', 'Gemm_y'])
    assert.equal(mild.losses['Gemm_y'], 0)
  })

  it('leaves what is kept, and takes multiples only', () => {
    const [found] = plansFor([0.9], { keepLayers: new Set(['Gemm_a']), multiple: 4 })
    assert.ok(found && !isRefusal(found))
    assert.ok(!('Gemm_a' in found.splits))
    for (const { rank } of Object.values(found.splits)) assert.equal(rank % 4, 0)
  })

  it('says what holds a share back, and which limit to relax', () => {
    assert.match(
      reasonOf(0.3, { keepLayers: new Set(['Gemm_y']) }),
      /Gemm_y \(33 % of the cost\) is kept by --keep-layer/,
    )
    assert.match(reasonOf(0.3, { keepLayers: new Set(['Gemm_y']) }), /without --keep-layer 0\.\d+ is in reach/)
    assert.match(reasonOf(0.3, { multiple: 4 }), /--multiple 1 reaches 0\.\d+/)
    assert.match(reasonOf(0.01, { family: 'weight-svd' }), /--method auto may reach more/)
    assert.match(reasonOf(0.3, { curves: curvesOf({ Gemm_a: 1 }) }), /Gemm_b \(33 % of the cost\) was not looked at/)
    assert.match(reasonOf(0.3, { fixed: 768 }), /layers that cannot be split hold 50 %/)
  })

  it('names a nearest share that can really be asked for', () => {
    const nearest = Number(/the nearest is (0\.\d+)/.exec(reasonOf(0.01))?.[1])
    const [found] = plansFor([nearest])
    assert.ok(found && !isRefusal(found), `${nearest}`)
  })

  it('takes measured losses for those of the curves', () => {
    const choice = { split: 'output-side', rank: 1 } as const
    const measured = new Map([['Gemm_y', [{ cost: 32, loss: -1, choice }]]])
    const [found] = plansFor([0.9], { measured })
    assert.ok(found && !isRefusal(found))
    assert.deepEqual(found.splits['Gemm_y'], choice)
  })

  it('counts shares of the whole model, when channels are gone already', () => {
    const all = choices().layers.reduce((sum, layer) => sum + macs.cost(wholeShape(layer)), 0)
    assert.equal(totalCost(choices()), all)
    assert.equal(totalCost(choices({ whole: 2 * all })), 2 * all)
    const [found] = plansFor([0.5], { whole: 2 * all })
    assert.deepEqual(found && !isRefusal(found) && [found.splits, found.ratio], [{}, 0.5])
  })

  it('counts layers that cannot be split', () => {
    const left = { layers: [], left: [{ name: 'Gemm_a', reason: 'it is tied' }] }
    assert.equal(fixedCost(model, left, shapes, macs), 256)
    assert.equal(fixedCost(model, left, shapes, parameterBytes), 4 * (256 + 16))
  })
})
