import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import type { TensorValue } from '../base/index.ts'
import { randomStream, sqnrDb } from '../math/index.ts'
import { intAttr, type Model, makeModel, makeNode, stringAttr, Tensor, writeModel } from '../onnx/index.ts'
import { withSession } from '../runtime/index.ts'
import { quantizableLstms, withDynamicLstms } from './dynamic-lstm.ts'

const [STEPS, BATCH, INPUTS, HIDDEN] = [7, 2, 24, 32]

/** x[7,2,24] -> LSTM of 32 units -> y, with row sizes that differ, a bias and a first state. */
function lstm(directions: 1 | 2, { layout = 0, constant = true } = {}): Model {
  const random = randomStream(3, 'lstm')
  const normal = (shape: readonly number[], size = 0.4) =>
    Tensor.from(
      'float32',
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => size * random.normal() * (1 + (i % 3))),
    )
  const weights = { w: normal([directions, 4 * HIDDEN, INPUTS]), r: normal([directions, 4 * HIDDEN, HIDDEN], 0.1) }
  return makeModel({
    name: 'lstm',
    nodes: [
      makeNode({
        opType: 'LSTM',
        name: 'cell',
        inputs: ['x', 'w', 'r', 'b', '', 'h', ''],
        outputs: ['y', 'last'],
        attributes: {
          hidden_size: intAttr(HIDDEN),
          direction: stringAttr(directions === 2 ? 'bidirectional' : 'forward'),
          ...(layout ? { layout: intAttr(layout) } : {}),
        },
      }),
    ],
    inputs: [
      { name: 'x', dtype: 'float32', shape: [STEPS, BATCH, INPUTS] },
      ...(constant ? [] : [{ name: 'w', dtype: 'float32' as const, shape: weights.w.shape }]),
    ],
    outputs: ['y', 'last'].map((name) => ({ name, dtype: 'float32' })),
    initializers: {
      ...(constant ? { w: weights.w } : {}),
      ...{ r: weights.r, b: normal([directions, 8 * HIDDEN]), h: normal([directions, BATCH, HIDDEN]) },
    },
  })
}

async function outputsOf(model: Model): Promise<Record<string, TensorValue>> {
  const random = randomStream(5, 'x')
  const data = Float32Array.from({ length: STEPS * BATCH * INPUTS }, () => random.normal())
  const x = { dtype: 'float32', dims: [STEPS, BATCH, INPUTS], data } as const
  return withSession(await testRuntime(), model, {}, (session) => session.run({ x }))
}

describe('withDynamicLstms', () => {
  for (const directions of [1, 2] as const)
    it(`computes the same within 8 bits, ${directions === 2 ? 'both directions' : 'one direction'}, in half the bytes`, async () => {
      const model = lstm(directions)
      assert.deepEqual(quantizableLstms(model), ['cell'])
      const before = writeModel(model)
      const changed = withDynamicLstms(model, ['cell'])
      assert.deepEqual(writeModel(model), before, 'the model given is left as it is')
      const [float, dynamic] = [await outputsOf(model), await outputsOf(changed)]
      for (const name of ['y', 'last']) {
        const db = sqnrDb(float[name]?.data as Float32Array, dynamic[name]?.data as Float32Array)
        assert.ok(db !== null && db > 28 && db < 70, `${name}: ${db} dB`)
      }
      assert.ok(writeModel(changed).length < 0.6 * before.length)
    })

  it('leaves what it was not told to change, and layouts and weights that the kernel does not read', () => {
    const model = lstm(1)
    assert.deepEqual(
      writeModel(withDynamicLstms(model, ['other'])).length,
      writeModel(withDynamicLstms(model, [])).length,
    )
    assert.deepEqual(quantizableLstms(lstm(1, { layout: 1 })), [])
    assert.deepEqual(quantizableLstms(lstm(1, { constant: false })), [])
  })
})
