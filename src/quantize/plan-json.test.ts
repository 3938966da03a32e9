import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError, UsageError } from '../base/index.ts'
import { type Model, Tensor, writeModel } from '../onnx/index.ts'
import { typesOf } from '../runtime/index.ts'
import { insertQdq, makePlan, type Plan, place, planFromJson, planToJson, type QuantizeOptions } from './index.ts'
import { quantizeDefaults } from './options.ts'
import { ortWasm } from './targets/ort-wasm.ts'

/** A plan with something in each of its parts. */
function planned(model: Model, more: Partial<QuantizeOptions> = {}): Plan {
  const options = { ...quantizeDefaults, ...more }
  const placement = place(model, options, typesOf(model))
  const seen = { count: 100, zeros: 1, nonFinite: 0, min: -0.1234567891, max: 4 / 3 }
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  return makePlan(model, placement, { statistics, options })
}

const again = (plan: Plan) => planFromJson(JSON.parse(JSON.stringify(planToJson(plan))))

describe('a plan as JSON', () => {
  const drawings = {
    'layers, activations and an excluded layer':
      'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 1x1 8->6 -> Clip number(0) number(6) -> Flatten -> Gemm 216->4 -> y',
    'a cap for each channel': 'x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Min floats[1,4,1,1] -> Conv 1x1 4->5 -> y',
    'a ConvTranspose, stored in codes': 'x[N,4,5,5] -> ConvTranspose 3x3 4->6 -> Relu -> Conv 1x1 6->4 -> y',
  }
  for (const [what, drawing] of Object.entries(drawings))
    it(`comes back as it was, and writes the same bytes: ${what}`, () => {
      const model = tinyModel(drawing)
      for (const [name, { shape, size }] of model.graph.initializers)
        if (shape.join() === '1,4,1,1')
          model.graph.initializers.set(name, Tensor.from('float32', shape, new Float32Array(size).fill(0.5)))
      const gemm = model.graph.nodes.some(({ opType }) => opType === 'Gemm')
      const plan = planned(model, gemm ? { exclude: ['Gemm'] } : {})
      const read = again(plan)
      assert.deepEqual(read, plan)
      assert.deepEqual(writeModel(insertQdq(model, read)), writeModel(insertQdq(model, plan)))
    })

  it('keeps the order of values whose names are numbers', () => {
    const plan = planned(tinyModel('10[N,4] -> Gemm 4->4 -> 9 -> Gemm 4->4 -> 2'))
    assert.deepEqual([...again(plan).activations.keys()], [...plan.activations.keys()])
    assert.deepEqual([...plan.activations.keys()].slice(0, 2), ['10', '9'])
  })

  it('fits a copy of its model: nothing in it hangs on the nodes that it was made from', () => {
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->8 group=8 -> y'
    const plan = planned(tinyModel(drawing))
    assert.deepEqual(
      writeModel(insertQdq(tinyModel(drawing), plan)),
      writeModel(insertQdq(tinyModel(drawing), again(plan))),
    )
  })

  it('takes its target by name, or as it is handed down', () => {
    const own = { ...ortWasm, name: 'of-mine' }
    const json = planToJson(planned(tinyModel('x[N,4] -> Gemm 4->4 -> y'), { target: own }))
    assert.equal(planFromJson(json, own).placement.target, own)
    assert.throws(
      () => planFromJson(json),
      (error) => error instanceof UsageError && /no target "of-mine"/.test(error.message),
    )
  })

  it('is refused with the place that is wrong', () => {
    const json = planToJson(planned(tinyModel('x[N,4] -> Gemm 4->4 -> y')))
    for (const [wrong, where] of [
      [{ ...json, version: 2 }, /version/],
      [{ ...json, weightBits: [['a', 1.5]] }, /weightBits\.0\.1/],
      [null, /it: /],
    ] as const)
      assert.throws(
        () => planFromJson(wrong),
        (error) => error instanceof InputError && where.test(error.message),
      )
  })
})

describe('place', () => {
  it('refuses two nodes of one name, which a plan could not tell apart', () => {
    const model = tinyModel('x[N,4] -> Relu -> a -> Relu -> y')
    const twins = model.graph.nodes.map((node) => ({ ...node, name: 'same' }))
    const given = { ...model, graph: { ...model.graph, nodes: twins } }
    assert.throws(
      () => place(given, quantizeDefaults, typesOf(given)),
      (error) => error instanceof InputError && /two nodes are called "same".*name-nodes/.test(error.message),
    )
  })
})
