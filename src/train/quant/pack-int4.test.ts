import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { run } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type Model, makeNode, Tensor } from '../../onnx/index.ts'
import { packInt4 } from './pack-int4.ts'

/** x + the dequantised codes, of scale 0.5. */
function dequantized(codes: readonly number[], zero: number | undefined): Model {
  const model = tinyModel(`x[1,${codes.length}] -> Add =w -> y`, { opset: 21 })
  const { graph } = model
  graph.initializers.set('codes', Tensor.from('int8', [codes.length], codes))
  graph.initializers.set('scale', Tensor.from('float32', [], [0.5]))
  if (zero !== undefined) graph.initializers.set('zero', Tensor.from('int8', [], [zero]))
  const inputs = ['codes', 'scale', ...(zero === undefined ? [] : ['zero'])]
  graph.nodes.unshift(makeNode({ opType: 'DequantizeLinear', inputs, outputs: ['w'] }))
  return model
}

const output = async (model: Model, length: number) => {
  const x = { dtype: 'float32' as const, dims: [1, length], data: new Float32Array(length) }
  return [...((await run(model, { x }))['y']?.data as Float32Array)]
}

describe('weights of at most 4 bits', () => {
  for (const zero of [undefined, 0, 3])
    it(`are stored in half of their bytes and mean what they meant, zero point ${zero}`, async () => {
      const codes = [-8, 7, 0, 3, -1]
      const model = dequantized(codes, zero)
      const packed = packInt4(model)
      const [node] = packed.graph.nodes
      const stored = packed.graph.initializers.get(node?.inputs[0] ?? '')
      assert.deepEqual([stored?.dtype, stored?.bytes.byteLength], ['int4', 3])
      assert.deepEqual(
        await output(packed, 5),
        codes.map((code) => (code - (zero ?? 0)) / 2),
      )
      assert.equal(model.graph.initializers.get('codes')?.dtype, 'int8', 'the model that was given stays')
    })

  it('are only those: others stay in bytes, and so do those of a wide zero point', () => {
    for (const model of [dequantized([8, 0], 0), dequantized([1, -9], 0), dequantized([1, 2], 20)])
      assert.equal(packInt4(model).graph.initializers.get('codes')?.dtype, 'int8')
  })

  it('that two nodes read are stored once', () => {
    const model = dequantized([1, 2], 0)
    model.graph.nodes.push(makeNode({ opType: 'DequantizeLinear', inputs: ['codes', 'scale', 'zero'], outputs: ['z'] }))
    model.graph.outputs.push({ name: 'z', dtype: 'float32' })
    const { graph } = packInt4(model)
    const tensors = graph.nodes.filter((node) => node.opType === 'DequantizeLinear')
    const [first, second] = tensors.map((node) => graph.initializers.get(node.inputs[0] ?? ''))
    assert.equal(first?.dtype, 'int4')
    assert.equal(first, second)
  })
})
