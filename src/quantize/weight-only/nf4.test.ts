import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { randomStream, sqnrDb } from '../../math/index.ts'
import { layersOf, type Model, Tensor, withTensors } from '../../onnx/index.ts'
import { withSession } from '../../runtime/index.ts'
import { insertNf4, type Nf4Weight, nf4Values, nf4Weights } from './nf4.ts'

const runtime = await testRuntime()

const random = randomStream(0, 'nf4')
const x = { dtype: 'float32', dims: [3, 70], data: Float32Array.from({ length: 210 }, random.normal) } as const
const run = (model: Model) =>
  withSession(runtime, model, {}, (session) => session.run({ x })).then(({ y }) => y?.data as Float32Array)

/** What the codes stand for, [rows, columns]. */
function decoded({ rows, columns, block, codes, scales }: Nf4Weight): number[] {
  return Array.from({ length: rows * columns }, (_, i) => {
    const code = (codes[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15
    return (nf4Values[code] ?? 0) * (scales[Math.floor(i / block)] ?? 0)
  })
}

describe('weights as 4-bit NormalFloat', () => {
  it('give exactly what their codes stand for, in blocks that go on over the ends of rows', async () => {
    const model = tinyModel('x[N,70] -> Gemm 70->9 -> y')
    const layers = layersOf(model)
    const [layer] = layers
    const weights = nf4Weights(layers, 64)
    const weight = layer && weights.get(layer)
    assert.ok(layer && weight)
    const near = decoded(weight)
    // Gemm holds [inputs, outputs].
    const values = Float32Array.from({ length: 630 }, (_, i) => near[(i % 9) * 70 + Math.floor(i / 9)] ?? 0)
    const faked = withTensors(model, new Map([[layer.node.inputs[1] ?? '', Tensor.from('float32', [70, 9], values)]]))
    const written = insertNf4(model, weights)
    assert.deepEqual(
      written.graph.nodes.map(({ opType }) => opType),
      ['MatMulBnb4', 'Add'],
    )
    const got = await run(written)
    assert.ok((sqnrDb(await run(faked), got) ?? 999) > 100)
    assert.ok((sqnrDb(await run(model), got) ?? 999) > 12)
  })

  it('take the nearest of the sixteen numbers, hold zeros exactly, and the largest weight of a block to float32', () => {
    const model = tinyModel('x[N,70] -> MatMul 70->9 -> y')
    const [drawn] = layersOf(model)
    const values = drawn?.weight.floats().map((value, i) => (i % 5 === 0 ? 0 : value)) ?? new Float32Array()
    const tensors = new Map([[drawn?.node.inputs[1] ?? '', Tensor.from('float32', [70, 9], values)]])
    const [weight] = nf4Weights(layersOf(withTensors(model, tensors)), 64).values()
    assert.ok(weight)
    const near = decoded(weight)
    for (const [i, value] of near.entries()) {
      const given = values[(i % 70) * 9 + Math.floor(i / 70)] ?? 0
      const scale = weight.scales[Math.floor(i / 64)] ?? 0
      const best = Math.min(...nf4Values.map((each) => Math.abs(each * scale - given)))
      assert.ok(Math.abs(value - given) <= best + 1e-7)
      if (given === 0 || Math.abs(given) === scale) assert.equal(value, given)
    }
  })

  it('are stored once where two layers share them', () => {
    const drawn = tinyModel('x[N,64] -> MatMul 64->64 -> Tanh -> MatMul 64->64 -> y')
    const [first, second] = drawn.graph.nodes.filter(({ opType }) => opType === 'MatMul')
    assert.ok(first && second)
    second.inputs[1] = first.inputs[1] ?? ''
    const written = insertNf4(drawn, nf4Weights(layersOf(drawn), 64))
    const nodes = written.graph.nodes.filter(({ opType }) => opType === 'MatMulBnb4')
    assert.deepEqual(nodes[0]?.inputs.slice(1), nodes[1]?.inputs.slice(1))
  })
})
