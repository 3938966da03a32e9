import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { constantsOf, consumersOf, Tensor } from '../onnx/index.ts'
import { heardOf } from './heard.ts'

/** What is heard of the value `a` of a drawing, seen from −40 to 50. */
function heard(drawing: string, low = -40, high = 50) {
  const { graph } = tinyModel(drawing, { opset: 20 })
  for (const [name, { shape }] of graph.initializers)
    if (shape.join() === '4,1,1') graph.initializers.set(name, Tensor.from('float32', shape, [6, 5, 1, 2]))
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const around = { consumers: consumersOf(graph.nodes), constants: constantsOf(graph), outputs }
  return heardOf('a', around)?.(low, high)
}

const front = 'x[N,4,8,8] -> Conv 1x1 4->4 -> a; '

describe('what readers hear of a value', () => {
  const near = (found: number | undefined, from: number, to: number) =>
    assert.ok(found !== undefined && found >= from && found <= to, `${found} lies between ${from} and ${to}`)

  it('is nothing below −3 behind a HardSwish, in one operator or in four', () => {
    const forms = [
      'a -> HardSwish -> y',
      'a -> Add number(3) -> Clip number(0) number(6) -> b; a -> Mul =b -> Div number(6) -> y',
      'a -> HardSigmoid alpha=0.16666667 beta=0.5 -> b; a -> Mul =b -> y',
    ]
    for (const form of forms) {
      const found = heard(front + form)
      near(found?.low, -3.1, -2.8)
      assert.equal(found?.high, 50, form)
    }
  })

  it('is little where a Swish and a Gelu have faded', () => {
    const swish = heard(`${front}a -> Sigmoid -> b; a -> Mul =b -> y`)
    near(swish?.low, -9, -5)
    assert.equal(swish?.high, 50)
    near(heard(`${front}a -> Gelu -> y`)?.low, -5, -2)
  })

  it('ends on both sides of a Sigmoid and a HardSigmoid', () => {
    const soft = heard(`${front}a -> Sigmoid -> y`)
    near(soft?.low, -10, -6)
    near(soft?.high, 6, 10)
    const hard = heard(`${front}a -> HardSigmoid -> y`)
    near(hard?.low, -2.6, -2.4)
    near(hard?.high, 2.4, 2.6)
  })

  it('is all of what was seen where the function is not flat', () => {
    assert.deepEqual(heard(`${front}a -> Tanh -> y`, -1, 1), { low: -1, high: 1 })
  })

  it('is everything when something reads the value itself, or changes channels apart', () => {
    assert.equal(heard(`${front}a -> HardSwish -> b; a -> Conv 1x1 4->4 -> Add =b -> y`), undefined)
    assert.equal(heard(`${front}a -> HardSwish -> b; a -> MaxPool kernel_shape=2,2 -> y; b -> Relu -> z`), undefined)
    assert.equal(heard('x[N,4,8,8] -> Conv 1x1 4->4 -> a; a -> HardSwish -> y; a -> Identity -> z'), undefined)
  })

  it('is the same where each channel has a factor of its own', () => {
    const found = heard(
      `${front}a -> Add number(3) -> Clip number(0) number(6) -> b; a -> Mul =b -> Div floats[4,1,1] -> y`,
    )
    near(found?.low, -3.1, -2.8)
    const gate = `${front}a -> Add number(3) -> Clip number(0) number(6) -> Div floats[4,1,1] -> b; a -> Mul =b -> y`
    near(heard(gate)?.low, -3.1, -2.8)
  })

  it('is what the most curious reader hears', () => {
    const found = heard(`${front}a -> Sigmoid -> y; a -> HardSwish -> z`)
    near(found?.low, -10, -6)
    assert.equal(found?.high, 50)
  })
})
