import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Matrix,
  matrix,
  multiply,
  plainProducts,
  randomStream,
  solveNormalEquations,
  transpose,
} from '../../math/index.ts'
import type { LayerChannels } from '../../onnx/index.ts'
import { layerOf, makeNode, Tensor } from '../../onnx/index.ts'
import selection from '../fixtures/channel-select.json' with { type: 'json' }
import { inputEnergies, unreadChannels } from './consumers.ts'
import { Elimination, inverseOf } from './elimination.ts'
import { lassoEntries } from './lasso.ts'
import { keptOfShare } from './plan.ts'

const random = randomStream(3, 'order')
const normals = (rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

/** Least squared error of y = W·x when only these inputs are left, cov(x) = C: what no fit can make up for. */
function residual(weight: Matrix, covariance: Matrix, kept: readonly number[]): number {
  const pick = (rows: readonly number[], columns: readonly number[], from: Matrix) =>
    matrix(
      rows.length,
      columns.length,
      Float64Array.from(rows.flatMap((r) => columns.map((c) => from.data[r * from.columns + c]!))),
    )
  const all = [...Array(covariance.rows).keys()]
  const cross = multiply(pick(kept, all, covariance), transpose(weight))
  const { solution } = solveNormalEquations(pick(kept, kept, covariance), cross, { ridge: 0 })
  const trace = (a: Matrix) => a.data.reduce((sum, value, i) => sum + (i % (a.columns + 1) === 0 ? value : 0), 0)
  const own = multiply(multiply(weight, covariance), transpose(weight))
  return trace(own) - trace(multiply(transpose(solution), cross))
}

describe('backward elimination', () => {
  const samples = normals(40, 12)
  const covariance = multiply(transpose(samples), samples)
  const weight = normals(5, 12)
  // Channels of one to four columns, not in order.
  const columns = new Map([
    [7, [0, 1, 2]],
    [3, [8, 9]],
    [5, [3, 4, 6, 10]],
    [9, [5]],
    [1, [7, 11]],
  ])

  it('knows what the best fit loses with each channel, and with those that went before', async () => {
    const elimination = new Elimination(weight, await inverseOf(plainProducts, covariance), columns, 1)
    const left = new Map(columns)
    let lost = 0
    for (const id of [5, 9, 3, 7]) {
      for (const [other, list] of left) {
        const kept = [...left.values()].flat().filter((column) => !list.includes(column))
        const expected = residual(weight, covariance, kept) - lost
        const got = elimination.cost(other)
        assert.ok(Math.abs(got - expected) <= 1e-8 * Math.max(1, expected), `${got} for ${expected}`)
      }
      lost += elimination.cost(id)
      elimination.remove(id)
      left.delete(id)
    }
    assert.ok(!elimination.has(5) && elimination.has(1), 'what went is gone')
  })

  it('takes a channel that another one equals for nothing, and an unread one', async () => {
    const twins = matrix(3, 3, Float64Array.of(2, 2, 0, 2, 2, 0, 0, 0, 1))
    for (let i = 0; i < 3; i++) twins.data[i * 4]! += 1e-6
    const ids = new Map([0, 1, 2].map((id) => [id, [id]]))
    const elimination = new Elimination(
      matrix(1, 3, Float64Array.of(3, 1, 0)),
      await inverseOf(plainProducts, twins),
      ids,
      1,
    )
    assert.ok(elimination.cost(0) < 1e-4 && elimination.cost(2) === 0, `${elimination.cost(0)}`)
    elimination.remove(0)
    assert.ok(Math.abs(elimination.cost(1) - 32) < 1e-3, 'the twin has taken over its part: (3 + 1)²·2')
  })
})

describe('the lasso', () => {
  it('lets independent channels in by what they contribute', () => {
    const gram = matrix(3, 3, Float64Array.of(4, 0, 0, 0, 1, 0, 0, 0, 9))
    const [a = 0, b = 0, c = 0] = lassoEntries(gram, Float64Array.of(4, 1, 9))
    assert.ok(c > a && a > b && b > 0, `${[a, b, c]}`)
  })

  it('keeps a channel out that others stand in for', () => {
    // The third is the sum of the others; the output is that sum twice.
    const gram = matrix(3, 3, Float64Array.of(1, 0, 1, 0, 1, 1, 1, 1, 2))
    const [a = 0, b = 0, c = 0] = lassoEntries(gram, Float64Array.of(2, 2, 4))
    assert.ok(c > a && c > b, `${[a, b, c]}`)
  })
})

describe('the order by magnitude', () => {
  let before: { dims: number[]; data: number[] } | undefined
  for (const { input, options, expected } of selection.cases) {
    if (typeof input.W === 'object') before = input.W
    const weight = before
    it(`keeps ${expected.kept.length} of ${input.shape[1]} input channels at ${options.ratio} as AIMET does`, () => {
      assert.ok(weight, 'a case has a weight')
      const tensor = Tensor.from('float32', weight.dims, weight.data)
      const node = makeNode({ opType: 'Conv', inputs: ['x', 'w'], outputs: ['y'] })
      const layer = layerOf(node, (name) => (name === 'w' ? tensor : undefined))
      assert.ok(layer?.view, 'it is a layer')
      const count = layer.view.inputsPerGroup
      const channels: LayerChannels = {
        layer,
        input: Int32Array.from({ length: count }, (_, i) => i),
        output: Int32Array.from({ length: layer.view.outputs }, (_, i) => count + i),
      }
      const energies = inputEnergies(channels, undefined)
      const total = weight.data.reduce((sum, value) => sum + value * value, 0)
      const scores = [...energies].sort(([, a], [, b]) => b - a)
      for (const [i, magnitude] of expected.magnitudes.entries())
        assert.ok(Math.abs((energies.get(i) ?? 0) * total - magnitude) <= 1e-10 * magnitude, `${magnitude} of ${i}`)
      const kept = scores.slice(0, keptOfShare(count, options.ratio, 1)).map(([id]) => id)
      assert.deepEqual(
        kept.sort((a, b) => a - b),
        expected.kept,
      )
      assert.equal(keptOfShare(count, options.ratio, 4) / count, expected.ratioRoundedTo4)
    })
  }

  it('finds what nothing reads, also behind what goes for that reason', () => {
    const layer = (values: number[], input: number[], output: number[]): LayerChannels => {
      const tensor = Tensor.from('float32', [output.length, input.length], values)
      const node = makeNode({
        opType: 'Gemm',
        inputs: ['x', 'w'],
        outputs: ['y'],
        attributes: { transB: { type: 'int', value: 1n } },
      })
      const found = layerOf(node, (name) => (name === 'w' ? tensor : undefined))
      assert.ok(found, 'it is a layer')
      return { layer: found, input: Int32Array.from(input), output: Int32Array.from(output) }
    }
    // 3 is read by nobody; 1 only by 3.
    const layers = [layer([1, 0, 1, 2], [0, 1], [2, 3]), layer([1, 0], [2, 3], [4])]
    assert.deepEqual([...unreadChannels(layers, new Set([0, 1, 2, 3]))].sort(), [1, 3])
    assert.deepEqual([...unreadChannels(layers, new Set([0, 2]))], [])
  })
})
