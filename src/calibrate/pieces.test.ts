import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../test/support/assert-near.ts'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { TensorValue } from '../base/index.ts'
import { Histogram } from '../math/index.ts'
import { GraphEditor, type Model, Tensor } from '../onnx/index.ts'
import { blame, nonFiniteValues } from './culprit.ts'
import { groupsOf, inGraphOrder } from './pieces.ts'
import { binsOf, observedRange } from './ranges/bins.ts'
import { mseRangeOfValues } from './ranges/mse-values.ts'

describe('pieces of what is watched', () => {
  it('stay in order, in groups of at most four million elements but for one piece', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6e6 })), (sizes) => {
        const groups = groupsOf(sizes.map((elements) => ({ elements })))
        assert.deepEqual(
          groups.flat().map(({ elements }) => elements),
          sizes,
        )
        const sum = (group: readonly { elements: number }[]) => group.reduce((total, each) => total + each.elements, 0)
        for (const [index, group] of groups.entries()) {
          assert.ok(group.length === 1 || sum(group) <= 4e6)
          const next = groups[index + 1]?.[0]
          assert.ok(!next || sum(group) + next.elements > 4e6)
        }
      }),
    )
  })

  it('come in the order of the graph, inputs first', () => {
    const editor = new GraphEditor(tinyModel('x[N,2] -> Relu -> a -> Relu -> b; x -> Relu -> c'))
    assert.deepEqual(inGraphOrder(editor, ['c', 'b', 'x', 'a'], String), ['x', 'a', 'b', 'c'])
  })
})

describe('bins as ranges read them', () => {
  const histogramOf = (values: readonly number[]) => {
    const histogram = new Histogram()
    histogram.add(Float32Array.from(values))
    return histogram
  }

  it('begin and end with one that is not empty, and lose no value', () => {
    const values = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(values, (numbers) => {
        const bins = binsOf(histogramOf(numbers))
        assert.ok(bins.counts.length === 0 || ((bins.counts[0] ?? 0) > 0 && (bins.counts.at(-1) ?? 0) > 0))
        assert.equal(bins.counts.reduce((a, b) => a + b, 0) + bins.zeros, numbers.length)
        const { low, high } = observedRange(bins)
        const slack = 1e-6 * bins.width
        assert.ok(
          numbers.every((value) => value >= low - slack && value <= high + slack),
          `${low} … ${high}`,
        )
        assert.ok(low <= 0 && high >= 0)
        const least = Math.min(...numbers.filter((value) => value !== 0))
        if (bins.counts.length > 0) assert.equal(Math.floor(least / bins.width), bins.first)
      }),
    )
  })

  it('begin behind zeros, which are in none, and end before them', () => {
    const edges = (values: readonly number[]) => {
      const { first, width, counts, zeros } = binsOf(histogramOf(values))
      return { low: first * width, high: (first + counts.length) * width, width, zeros }
    }
    const above = edges([0, 5, 6.5])
    assert.ok(above.low <= 5 && above.low > 5 - above.width, `they begin at ${above.low}`)
    assert.ok(above.high > 6.5 && above.high <= 6.5 + above.width, `they end at ${above.high}`)
    const below = edges([-6.5, -5, 0, 0])
    assert.ok(below.low <= -6.5 && below.low > -6.5 - below.width, `they begin at ${below.low}`)
    assert.ok(below.high > -5 && below.high <= -5 + below.width, `they end at ${below.high}`)
    assert.deepEqual([above.zeros, below.zeros], [1, 2])
  })

  it('of zeros alone are none, and their range is a point', () => {
    const bins = binsOf(histogramOf([0, 0]))
    assert.deepEqual([bins.counts.length, bins.zeros, observedRange(bins)], [0, 2, { low: 0, high: 0 }])
  })
})

describe('the range of least squared error of exact values', () => {
  const options = { dtype: 'uint8', symmetric: false } as const
  const errorOf = (values: Float32Array, low: number, high: number) => {
    const scale = (high - low) / 255
    let sum = 0
    for (const value of values) {
      const code = Math.min(255, Math.max(0, Math.round((value - low) / scale)))
      sum += (value - (low + code * scale)) ** 2
    }
    return sum
  }

  it('is no worse than that from the least to the largest value, and holds 0', () => {
    const lists = fc.array(fc.float({ min: -4, max: 4, noNaN: true, noDefaultInfinity: true }), {
      minLength: 8,
      maxLength: 40,
    })
    fc.assert(
      fc.property(lists, (list) => {
        const values = Float32Array.from(list)
        const { low, high } = mseRangeOfValues(values, options)
        const [min, max] = [Math.min(0, ...values), Math.max(0, ...values)]
        assert.ok(low <= 0 && high >= 0)
        if (max - min < 1e-3) return
        // Rounding of the zero point moves each value by up to half a step.
        const slack = values.length * ((max - min) / 255) ** 2
        assert.ok(errorOf(values, low, high) <= errorOf(values, min, max) + slack)
      }),
      { numRuns: 40 },
    )
  })

  it('cuts one value that is far out, where many others gain by it', () => {
    const values = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i))
    values[7] = 3
    const { high } = mseRangeOfValues(values, { ...options, dtype: 'uint4' })
    assert.ok(high < 2.5, String(high))
    assert.ok(high > 0.8, String(high))
  })

  it('is symmetric when it is asked to be', () => {
    const { low, high } = mseRangeOfValues(Float32Array.of(-1, 0.2, 0.4, 0.1), { dtype: 'int8', symmetric: true })
    assertNear([low], [-high], 0)
    assertNear([high], [1], 0.05)
  })
})

describe('who is to blame for a NaN', () => {
  const drawing = 'x[N,3] -> Gemm 3->2 -> a -> Relu -> b -> Sqrt -> c -> Relu -> y'
  const feeds = (values: readonly number[]): Record<string, TensorValue> => ({
    x: { dtype: 'float32', dims: [1, 3], data: Float32Array.from(values) },
  })
  const sentence = async (model: Model, values: readonly number[], tensor = 'y') => {
    const runtime = await testRuntime()
    const kind = (await nonFiniteValues(runtime, model, feeds(values))).get(tensor) ?? 'NaN'
    return blame(runtime, model, { tensor, kind, ids: ['s1'] }, feeds(values))
  }

  it('is the sample that holds it', async () => {
    const error = await sentence(tinyModel(drawing), [1, Number.NaN, 0])
    assert.match(error.message, /^tensor "x" is NaN for sample s1; .*check the sample/)
  })

  it('is a constant of the model, whatever the sample', async () => {
    const model = tinyModel(drawing)
    model.graph.initializers.set('a_bias', Tensor.from('float32', [2], [1, Number.NaN]))
    const error = await sentence(model, [1, 2, 3])
    assert.match(error.message, /^tensor "a_bias", a constant of Gemm "Gemm_a", holds NaN: the model is at fault/)
    model.graph.initializers.set('a_bias', Tensor.from('float32', [2], [1, Number.POSITIVE_INFINITY]))
    assert.match((await sentence(model, [1, 2, 3])).message, /"a_bias".* holds infinite values/)
  })

  it('is the constant rather than the sample, where both are to blame', async () => {
    const model = tinyModel('x[N,3] -> Add floats[3] -> y')
    const [name = ''] = model.graph.initializers.keys()
    model.graph.initializers.set(name, Tensor.from('float32', [3], [0, Number.NaN, 0]))
    assert.match((await sentence(model, [Number.NaN, 0, 0])).message, /a constant of Add "Add_y", holds NaN/)
    // An infinity may be meant, as in an attention mask: the sample's NaN comes first.
    model.graph.initializers.set(name, Tensor.from('float32', [3], [0, Number.NEGATIVE_INFINITY, 0]))
    assert.match((await sentence(model, [Number.NaN, 0, 0])).message, /^tensor "x" is NaN for sample s1/)
  })

  it('is the operator that makes it of finite values', async () => {
    const model = tinyModel('x[N,3] -> Gemm 3->2 -> a -> Mul number(-1) -> n -> Log -> c -> Relu -> y')
    model.graph.initializers.set('a_weight', Tensor.from('float32', [3, 2], [1, 1, 1, 1, 1, 1]))
    const error = await sentence(model, [100, 100, 100])
    assert.match(error.message, /^tensor "c" is NaN for sample s1; Log "Log_c" makes it of finite values/)
    assert.deepEqual([error.name, error.place.tensor], ['InputError', 'c'])
  })

  it('are all samples of a batch when it cannot be told which', async () => {
    const model = tinyModel(drawing)
    const values = { tensor: 'y', kind: 'NaN' as const, ids: ['s1', 's2'] }
    const error = await blame(await testRuntime(), model, values, feeds([Number.NaN, 0, 0]))
    assert.match(error.message, /for samples s1, s2;/)
  })

  it('is said of the tensor itself when the model cannot be run again', async () => {
    const error = await blame(await testRuntime(), tinyModel(drawing), { tensor: 'b', kind: 'NaN', ids: ['s1'] }, {})
    assert.match(error.message, /^tensor "b" is NaN for sample s1; .* or exclude the layer$/)
  })

  it('large sums of finite values are not', async () => {
    const kinds = await nonFiniteValues(
      await testRuntime(),
      tinyModel('x[N,3] -> Relu -> y'),
      feeds([3e38, 3e38, 3e38]),
    )
    assert.deepEqual([...kinds], [])
  })
})
