import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../test/support/assert-near.ts'
import type { LayerGeometry } from '../calibrate/index.ts'
import { gram, matrix, plainProducts, randomStream } from '../math/index.ts'
import { fullRank } from './bilinear.ts'
import { maxRank } from './cost.ts'
import { covarianceBytes, inParts } from './parts.ts'
import { inLayerOrder, orderOfSplit, problemOf } from './problem.ts'
import { splits } from './splits/index.ts'
import { type FitTarget, plainTarget, squaredError } from './target.ts'

const geometries = fc
  .record({
    inputs: fc.integer({ min: 1, max: 3 }),
    outputs: fc.integer({ min: 1, max: 3 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  })
  .map(
    ({ inputs, outputs, kernel }): LayerGeometry => ({
      layout: 'conv',
      groups: 2,
      inputsPerGroup: inputs,
      outputsPerGroup: outputs,
      kernel,
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
    }),
  )
const anySplit = fc.constantFrom(...splits)

/** A target of random samples with this many inputs and outputs. */
function targetOf(inputs: number, outputs: number): FitTarget {
  const random = randomStream(3, 'problem')
  const numbers = (size: number) => Float64Array.from({ length: size }, () => random.normal())
  const covariance = gram(matrix(2 * inputs, inputs, numbers(2 * inputs * inputs)))
  const [weight, cross] = [numbers(outputs * inputs), numbers(outputs * inputs)].map((data) =>
    matrix(outputs, inputs, data),
  )
  return { weight: weight!, cross: cross!, covariance, ridge: 0.1, energy: 1e3 }
}

describe('the order of a split', () => {
  it('takes every input of the layer once', () => {
    fc.assert(
      fc.property(geometries, anySplit, (geometry, split) => {
        const order = orderOfSplit(split, geometry)
        const all = geometry.inputsPerGroup * geometry.kernel[0] * geometry.kernel[1]
        assert.deepEqual(
          [...order].sort((a, b) => a - b),
          [...Array(all).keys()],
        )
      }),
    )
  })

  it('has the positions of the second layer outside, the input channels inside, those of the first layer innermost', () => {
    const geometry: LayerGeometry = { ...base, inputsPerGroup: 2, kernel: [2, 3] }
    const orders = Object.fromEntries(splits.map((split) => [split.name, [...orderOfSplit(split, geometry)]]))
    // Of layer order (channel, row, column): channel 0 holds 0…5, channel 1 holds 6…11.
    assert.deepEqual(orders, {
      'vertical-horizontal': [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11],
      'horizontal-vertical': [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11],
      'input-side': [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11],
      'output-side': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    })
  })

  it('is undone for a kernel that goes back into the layer', () => {
    fc.assert(
      fc.property(geometries, anySplit, (geometry, split) => {
        const inputs = geometry.inputsPerGroup * geometry.kernel[0] * geometry.kernel[1]
        const { weight } = targetOf(inputs, geometry.outputsPerGroup)
        const { target } = problemOf(split, geometry, plainTarget(weight))
        assert.deepEqual(inLayerOrder(split, geometry, target.weight), weight)
      }),
    )
  })

  it('changes no error of a kernel, and no rank', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, anySplit, async (geometry, split) => {
        const inputs = geometry.inputsPerGroup * geometry.kernel[0] * geometry.kernel[1]
        const target = targetOf(inputs, geometry.outputsPerGroup)
        const problem = problemOf(split, geometry, target)
        const there = await squaredError(plainProducts, problem.target, problem.target.weight)
        assertNear([there], [await squaredError(plainProducts, target, target.weight)], 1e-9 * there + 1e-9)
        assert.equal(problem.across * problem.width, inputs)
        assert.equal(fullRank(problem), maxRank(split, geometry))
      }),
      { numRuns: 30 },
    )
  })

  it('holds the weight once where there is no data', () => {
    const { target } = problemOf(splits[0]!, { ...base, inputsPerGroup: 2 }, plainTarget(matrix(1, 18)))
    assert.equal(target.cross, target.weight)
  })
})

const base: LayerGeometry = {
  layout: 'conv',
  groups: 1,
  inputsPerGroup: 1,
  outputsPerGroup: 1,
  kernel: [3, 3],
  strides: [1, 1],
  dilations: [1, 1],
  pads: [0, 0, 0, 0],
}

describe('work in parts', () => {
  it('keeps the order, never holds more than 512 MB but for one item, and begins a part only when it must', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 700e6 }), { maxLength: 12 })
    fc.assert(
      fc.property(sizes, (items) => {
        const parts = inParts(items, (bytes) => bytes)
        assert.deepEqual(parts.flat(), items)
        const sum = (part: readonly number[]) => part.reduce((a, b) => a + b, 0)
        for (const [index, part] of parts.entries()) {
          assert.ok(part.length === 1 || sum(part) <= 512e6)
          const [next] = parts[index + 1] ?? []
          assert.ok(next === undefined || sum(part) + next > 512e6)
        }
      }),
    )
  })

  it('counts eight bytes for each pair of inputs, and nothing for patches without a covariance', () => {
    assert.equal(covarianceBytes(9, 4, 9), 8 * 81 * 4)
    assert.equal(covarianceBytes(10, 4, 9), 0)
  })
})
