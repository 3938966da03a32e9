import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { layersOf, type Model, Tensor, withTensors } from '../../onnx/index.ts'
import { insertBlocked, type WeightForm } from './matmul-nbits.ts'
import { plainBlocks } from './round-blocked.ts'

/** The same model, its matrices made when somebody asks for them, as those in a data file are read. */
function onDemand(model: Model): Model {
  const lazy = [...model.graph.initializers].map(
    ([name, tensor]) => [name, Tensor.onDemand(tensor.dtype, tensor.shape, () => tensor.bytes.slice())] as const,
  )
  return withTensors(model, new Map(lazy))
}

function constantsOf(model: Model, form: WeightForm, bits: 4 | 8): Map<string, unknown> {
  const weights = plainBlocks(new Map(layersOf(model).map((layer) => [layer, { block: 32, bits }])))
  const written = insertBlocked(model, weights, { form, accuracyLevel: 0 })
  return new Map(
    [...written.graph.initializers].map(([name, { dtype, shape, bytes }]) => [
      name,
      { dtype, shape, bytes: [...bytes] },
    ]),
  )
}

describe('blocks of a weight that lies in a file', () => {
  const columns = tinyModel('x[N,1030] -> MatMul 1030->1100 -> y')
  const rows = tinyModel('x[N,1030] -> Gemm 1030->1100 transB=1 -> y')
  for (const [kind, model] of [
    ['columns', columns],
    ['rows', rows],
  ] as const)
    for (const [form, bits] of [
      ['matmul-nbits', 4],
      ['matmul-nbits', 8],
      ['onnx', 4],
    ] as const)
      it(`are those of the same weight in memory: outputs as ${kind}, ${bits} bits, ${form}`, () => {
        const opset = form === 'onnx' ? { ...model, opsets: new Map([['', 21]]) } : model
        assert.deepEqual(constantsOf(onDemand(opset), form, bits), constantsOf(opset, form, bits))
      })
})
