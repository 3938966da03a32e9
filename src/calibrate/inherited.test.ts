import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GraphEditor, type Model, makeModel, Tensor } from '../onnx/index.ts'
import { firstToFail } from './inherited.ts'

function chain(ops: readonly string[], weight = 1): Model {
  const shape = ['N', 2]
  const editor = new GraphEditor(
    makeModel({
      name: 'g',
      inputs: [{ name: 'v0', dtype: 'float32', shape }],
      outputs: [{ name: `v${ops.length}`, dtype: 'float32', shape }],
    }),
  )
  const constant = editor.addTensor('w', Tensor.from('float32', [2, 2], [weight, weight, weight, weight]))
  for (const [i, opType] of ops.entries()) {
    const inputs = opType === 'MatMul' || opType === 'Add' ? [`v${i}`, constant] : [`v${i}`]
    editor.addNode({ opType, inputs, outputs: [`v${i + 1}`] })
  }
  return editor.finish()
}

const found = (model: Model, ...watched: string[]) => [...firstToFail(model, new Set(watched))]

describe('values that NaN can begin at', () => {
  it('are the inputs of the model, and not what layers make of watched values', () => {
    assert.deepEqual(found(chain(['MatMul', 'Relu', 'MatMul']), 'v0', 'v2', 'v3'), ['v0'])
  })

  it('are results of operators that can fail, also some steps behind them', () => {
    assert.deepEqual(found(chain(['MatMul', 'Sqrt', 'Relu', 'MatMul']), 'v0', 'v3', 'v4'), ['v0', 'v3'])
  })

  it('are values that two products, or a huge weight, lie before', () => {
    assert.deepEqual(found(chain(['MatMul', 'Relu', 'MatMul']), 'v0', 'v3'), ['v0', 'v3'])
    assert.deepEqual(found(chain(['MatMul'], 1e20), 'v0', 'v1'), ['v0', 'v1'])
    assert.deepEqual(found(chain(['MatMul'], Number.NaN), 'v0', 'v1'), ['v0', 'v1'])
  })

  it('are values whose input nobody watches', () => {
    assert.deepEqual(found(chain(['Relu', 'Add']), 'v1', 'v2'), ['v1'])
  })
})
