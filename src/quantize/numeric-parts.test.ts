// The numeric parts that a quantisation is put together from, each alone.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { fromFloat16Bits, plainProducts, randomStream, toFloat16Bits } from '../math/index.ts'
import { layersOf, type Shapes, Tensor } from '../onnx/index.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { meanShift, shiftInPlace, shiftRatio, squaredError } from './correct/mean-shift.ts'
import { rowGrid, tieOf } from './embeddings.ts'
import { functionOf } from './expectation/functions.ts'
import { tapShares } from './expectation/inside.ts'
import { outputErrors } from './rounding/output-error.ts'
import { blockGrids, errorOf, gridOf } from './weight-only/block-grids.ts'

const float32 = (dims: readonly number[], values: readonly number[]) => ({
  dtype: 'float32' as const,
  dims: [...dims],
  data: Float32Array.from(values),
})

describe('activations as functions of one number', async () => {
  const runtime = await testRuntime()
  const xs = Array.from({ length: 81 }, (_, i) => (i - 40) / 5)

  for (const step of [
    'Abs',
    'Sigmoid',
    'Tanh',
    'Exp',
    'Sin',
    'Cos',
    'Softplus',
    'HardSwish',
    'HardSigmoid',
    'Erf',
    'Elu alpha=0.5',
    'Gelu',
    'Mish',
  ])
    it(`are those of ONNX Runtime: ${step}`, async () => {
      const model = tinyModel(`x[81] -> ${step} -> y`, { opset: 20 })
      const f = functionOf(model.graph.nodes[0] ?? assert.fail())
      if (!f) return
      const got = await withSession(
        runtime,
        model,
        { optimization: 'disabled' },
        async (session) => (await session.run({ x: float32([81], xs) }))['y']?.data,
      )
      for (const [i, x] of xs.entries())
        assert.ok(Math.abs(f(x) - Number(got?.[i])) <= 2e-6 * Math.max(1, Math.abs(f(x))), `${x}: ${f(x)}, ${got?.[i]}`)
    })

  it('see the border as often as a convolution of ones does', async () => {
    for (const attributes of ['pads=1,1,1,1', 'pads=0,2,1,0 strides=2,1', 'pads=2,2,2,2 dilations=2,2']) {
      const model = tinyModel(`x[N,1,7,6] -> Conv 3x3 1->1 nobias ${attributes} -> y`)
      const ones = { x: float32([1, 1, 7, 6], new Array(42).fill(1)) }
      const shapes: Shapes = await observeShapes(runtime, model, ones)
      const [layer] = layersOf(model)
      assert.ok(layer)
      const shares = tapShares(layer, shapes)
      for (let tap = 0; tap < 9; tap++) {
        const weight = Tensor.from(
          'float32',
          [1, 1, 3, 3],
          Array.from({ length: 9 }, (_, i) => (i === tap ? 1 : 0)),
        )
        const graph = {
          ...model.graph,
          initializers: new Map([...model.graph.initializers].map(([name]) => [name, weight])),
        }
        const y = await withSession(
          runtime,
          { ...model, graph },
          {},
          async (session) => (await session.run(ones))['y']?.data,
        )
        const mean = Array.from(y ?? [], Number).reduce((a, b) => a + b, 0) / (y?.length ?? 1)
        assert.ok(Math.abs((shares[tap] ?? 0) - mean) < 1e-6, `tap ${tap} with ${attributes}: ${shares[tap]}, ${mean}`)
      }
    }
  })
})

describe('the shift of a mean', () => {
  const random = randomStream(1, 'shift')
  const float = float32([4, 3, 5], Array.from({ length: 60 }, random.normal))
  const moved = float32(
    [4, 3, 5],
    Array.from(float.data, (x, i) => x + (Math.floor(i / 5) % 3) / 10),
  )

  it('is found channel by channel, and taken out in place', () => {
    const seen = meanShift([float], [moved], 'second')
    assert.ok(seen)
    for (const [c, wanted] of [0, 0.1, 0.2].entries()) assert.ok(Math.abs((seen.error[c] ?? 0) - wanted) < 1e-6)
    assert.ok(shiftRatio(seen) > 0.05)
    const back = float32(moved.dims, [...moved.data])
    shiftInPlace(
      back,
      seen.error.map((x) => -x),
      'second',
    )
    const left = meanShift([float], [back], 'second')
    assert.ok(left && shiftRatio(left) < 1e-6)
  })

  it('costs what its squares add up to', () => {
    const none = new Float64Array(3)
    const wanted = Array.from(moved.data).reduce((sum, x, i) => sum + (x - (float.data[i] ?? 0)) ** 2, 0)
    const got = squaredError([float], [moved], 'second', { shift: none })
    assert.ok(Math.abs(got - wanted) < 1e-6 * wanted || Math.abs(got * 60 - wanted) < 1e-5, `${got}, ${wanted}`)
  })

  it('of a layer that ends in its channels is that of the last axis', () => {
    const rows = meanShift([float32([2, 2], [0, 0, 0, 0])], [float32([2, 2], [1, 3, 1, 3])], 'last')
    assert.deepEqual([...(rows?.error ?? [])], [1, 3])
    assert.equal(meanShift([], [], 'last'), undefined)
  })
})

describe('grids of blocks', () => {
  const weights = fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 8, maxLength: 8 })

  it('hold 0 exactly, and every weight within half a step', () => {
    fc.assert(
      fc.property(weights, fc.constantFrom(4 as const, 8 as const), (row, bits) => {
        const { scales, zeroPoints, high } = blockGrids(
          { rows: 1, columns: 8, data: Float64Array.from(row) },
          { block: 4, bits },
        )
        for (const [i, weight] of row.entries()) {
          const [scale = 1, zero = 0] = [scales[i >> 2], zeroPoints?.[i >> 2]]
          assert.ok(Number.isInteger(zero) && zero >= 0 && zero <= high)
          const code = Math.min(Math.max(Math.round(weight / scale), -zero), high - zero)
          // The zero point is rounded too, so an end may be half a step off.
          if (scale !== 1 || Math.abs(weight) > 0.5)
            assert.ok(Math.abs(weight - scale * code) <= 1.01 * scale, `${weight} as ${scale * code}`)
        }
      }),
    )
  })

  it('are drawn in where that lowers the error by importance, never where it does not', () => {
    fc.assert(
      fc.property(weights, (row) => {
        const data = Float64Array.from(row)
        const importance = Float64Array.from(row, (_, i) => (i % 4 === 0 ? 0 : 1))
        const matrix = { rows: 1, columns: 8, data }
        const drawn = blockGrids(matrix, { block: 8, bits: 4 }, importance)
        const block = { weights: data, column: 0, high: 15, round: Math.fround }
        const own = { scale: drawn.scales[0] ?? 1, zero: drawn.zeroPoints?.[0] ?? 0 }
        assert.ok(errorOf(block, own, importance) <= errorOf(block, gridOf(block, 1), importance) + 1e-12)
      }),
    )
  })

  it('of many blocks have scales that float16 can hold', () => {
    const random = randomStream(2, 'blocks')
    const { scales } = blockGrids(
      { rows: 64, columns: 512, data: Float64Array.from({ length: 64 * 512 }, random.normal) },
      { block: 16, bits: 4 },
    )
    for (const scale of scales) assert.equal(fromFloat16Bits(toFloat16Bits(scale)), scale)
  })
})

describe('what rounding costs at the output', () => {
  it('is eᵀHe of each row, for several roundings at once', async () => {
    const weights = { rows: 2, columns: 2, data: Float64Array.of(0.3, 0.7, -0.2, 0.9) }
    const hessian = { rows: 2, columns: 2, data: Float64Array.of(2, 1, 1, 3) }
    const codes = [Float64Array.of(0, 1, 0, 1), Float64Array.of(1, 1, 0, 1)]
    const grids = { scales: Float64Array.of(1, 1), block: 2 }
    const errors = await outputErrors(plainProducts, { weights, hessian }, 2, (k) => ({
      codes: codes[k] ?? codes[0]!,
      grids,
    }))
    const of = (a: number, b: number) => 2 * a * a + 2 * a * b + 3 * b * b
    for (const [k, rows] of [
      [of(0.3, -0.3), of(-0.2, -0.1)],
      [of(-0.7, -0.3), of(-0.2, -0.1)],
    ].entries())
      for (const [row, wanted] of rows.entries()) assert.ok(Math.abs((errors[k]?.[row] ?? 0) - wanted) < 1e-6)
  })
})

describe('tables of embeddings', () => {
  const table = Tensor.from('float32', [3, 2], [1, -127, 0, 0, 0.5, 0.25])

  it('have a scale for each row, 1 where a row is empty', () => {
    const { scale, axis } = rowGrid(table)
    assert.deepEqual([...scale], [1, 1, Math.fround(0.5 / 127)])
    assert.equal(axis, 0)
  })

  it('are tied to a layer by the same numbers, as they are or turned', () => {
    const turned = Tensor.from('float32', [2, 3], [1, 0, 0.5, -127, 0, 0.25])
    assert.equal(tieOf(table, table), 'same')
    assert.equal(tieOf(turned, table), 'transposed')
    assert.equal(tieOf(Tensor.from('float32', [2, 3], [1, 0, 0.5, -127, 0, 1]), table), undefined)
    assert.equal(tieOf(Tensor.from('float32', [3, 3], new Float32Array(9)), table), undefined)
  })
})
