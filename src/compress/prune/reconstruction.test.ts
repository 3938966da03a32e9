import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type LayerGeometry, Moments } from '../../calibrate/index.ts'
import { matrix, plainProducts } from '../../math/index.ts'
import { leastSquaresKernel } from '../bilinear.ts'
import { biasFor } from '../edit-layer.ts'
import golden from '../fixtures/lstsq.json' with { type: 'json' }
import { targetOf } from '../target.ts'

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1)

describe('reconstruction of a layer', () => {
  for (const { input, options, expected } of golden.cases) {
    const { X, Y } = input
    const [rows = 0, ...patch] = X.dims
    const [d, n] = [product(patch), Y.dims[1] ?? 0]
    const title = `${rows} samples of ${d} inputs${options.bias ? ' with a bias' : ''}${options.underdetermined ? ', the smallest of all solutions' : ''}`
    it(`fits as an independent implementation does: ${title}`, async () => {
      // Moments are centred. Without a bias each sample comes with its mirror image, so that the means are 0.
      const mirrored = (data: readonly number[]) => (options.bias ? data : [...data, ...data.map((value) => -value)])
      const count = options.bias ? rows : 2 * rows
      const moments = new Moments(d, n)
      await moments.add(
        plainProducts,
        matrix(count, d, Float64Array.from(mirrored(X.data))),
        matrix(count, n, Float64Array.from(mirrored(Y.data))),
      )
      // A fit is pulled towards the weights it starts from; started from what it found before, the pull vanishes.
      let kernel = matrix(n, d)
      for (let round = 0; round < 12; round++)
        kernel = await leastSquaresKernel(plainProducts, targetOf(kernel, moments, 1e-4))
      const largest = expected.W.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      for (const [i, value] of expected.W.data.entries())
        assert.ok(Math.abs(kernel.data[i]! - value) <= 1e-8 * largest, `${kernel.data[i]} for ${value}`)
      const geometry = { groups: 1, outputsPerGroup: n } as LayerGeometry
      const bias = biasFor(geometry, [kernel], [moments])
      for (const [o, value] of (expected.b ?? Array<number>(n).fill(0)).entries())
        assert.ok(Math.abs(bias[o]! - value) <= 1e-8 * Math.max(1, Math.abs(value)), `${bias[o]} for ${value}`)
    })
  }
})
