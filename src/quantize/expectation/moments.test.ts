import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { layersOf, type Statistics, Tensor } from '../../onnx/index.ts'
import { tapShares } from './inside.ts'
import { channelMoments, type Moments } from './moments.ts'

const means = Float64Array.of(1, -0.5, 0.25, 2)
const deviations = Float64Array.of(1, 0.5, 0, 3)
const known = (mean = means, deviation = deviations) => ({ mean, deviation, source: 'batch-norm' as const })

/** Moments of `y` behind a layer whose output "a" has known statistics. */
async function behind(steps: string, statistics: Statistics = new Map([['a', known()]])): Promise<readonly Moments[]> {
  const model = tinyModel(`x[N,3,8,8] -> Conv 1x1 3->4 -> a -> ${steps} -> y`)
  const { shapes } = await contextOf(model)
  return channelMoments(model, shapes, statistics)('y') ?? []
}

/** Mean and variance of f(X) by the trapezoidal rule. */
function integrated(m: number, d: number, f: (x: number) => number): { mean: number; variance: number } {
  if (d === 0) return { mean: f(m), variance: 0 }
  let [weight, mean, second] = [0, 0, 0]
  for (let z = -12; z <= 12; z += 1e-4) {
    const p = Math.exp(-0.5 * z * z)
    const y = f(m + d * z)
    weight += p
    mean += p * y
    second += p * y * y
  }
  return { mean: mean / weight, variance: second / weight - (mean / weight) ** 2 }
}

describe('moments of channels', () => {
  const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)
  const functions: [string, (x: number, c: number) => number, number][] = [
    ['Relu', (x) => Math.max(0, x), 1e-6],
    ['Clip number(0) number(6)', (x) => clamp(x, 0, 6), 1e-6],
    ['Relu -> Min floats[4,1,1]', (x) => Math.max(0, x), 1e-6],
    ['LeakyRelu alpha=0.3', (x) => (x < 0 ? Math.fround(0.3) * x : x), 1e-6],
    ['Add number(1.5) -> Relu', (x) => Math.max(0, x + 1.5), 1e-6],
    ['Mul number(-2) -> Relu', (x) => Math.max(0, -2 * x), 1e-6],
    // 64 nodes are not exact where a function bends within a third of a deviation, as these do for channel 3.
    ['Sigmoid', (x) => 1 / (1 + Math.exp(-x)), 1e-4],
    ['HardSwish', (x) => x * clamp(x / 6 + 0.5, 0, 1), 5e-3],
    ['Tanh', Math.tanh, 5e-3],
  ]
  for (const [steps, f, tolerance] of functions)
    it(`are right behind ${steps}`, async () => {
      const isCapped = steps.includes('Min')
      const model = tinyModel(`x[N,3,8,8] -> Conv 1x1 3->4 -> a -> ${steps} -> y`)
      const caps = [0.5, 1, 0.1, 4]
      const min = model.graph.nodes.find((node) => node.opType === 'Min')
      if (min) model.graph.initializers.set(min.inputs[1] ?? '', Tensor.from('float32', [4, 1, 1], caps))
      const { shapes } = await contextOf(model)
      const got = channelMoments(model, shapes, new Map([['a', known()]]))('y') ?? []
      assert.equal(got.length, 4)
      for (const [c, moments] of got.entries()) {
        const g = (x: number) => (isCapped ? Math.min(f(x, c), Math.fround(caps[c] ?? 0)) : f(x, c))
        const expected = integrated(means[c] ?? 0, deviations[c] ?? 0, g)
        for (const key of ['mean', 'variance'] as const)
          assert.ok(
            Math.abs(moments[key] - expected[key]) < tolerance * Math.max(1, Math.abs(expected[key])),
            `channel ${c}: ${key} ${moments[key]}, expected ${expected[key]}`,
          )
      }
    })

  it('are carried by averages, Flatten and Concat, and lost in MaxPool', async () => {
    const relu = (await behind('Relu')).map(({ mean }) => mean)
    assert.deepEqual(
      (await behind('Relu -> GlobalAveragePool -> Flatten')).map(({ mean }) => mean),
      relu,
    )
    const pooled = await behind('Relu -> MaxPool 2x2')
    assert.deepEqual(
      pooled.map(({ mean }) => Number.isNaN(mean)),
      [true, true, false, true],
      'only what is constant has a known maximum',
    )
    const average = await behind('Relu -> AveragePool 3x3 pads=1,1,1,1 count_include_pad=1')
    assert.ok(Math.abs((average[3]?.mean ?? 0) - (relu[3] ?? 0) * (22 / 24) ** 2) < 1e-9, '22 of 24 taps an axis')
  })

  it('of a layer without statistics are sums over what it reads, as if that were independent', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> Conv 3x3 4->2 pads=1,1,1,1 -> y')
    const { shapes } = await contextOf(model)
    const moments = channelMoments(model, shapes, new Map([['a', known()]]))
    const [y] = moments('y') ?? []
    const [, layer] = layersOf(model)
    const relu = moments(layer?.node.inputs[0] ?? '') ?? []
    const share = [7 / 8, 1, 7 / 8]
    const weights = layer?.weight.floats() ?? []
    let expected = layer?.bias?.floats()[0] ?? 0
    for (let i = 0; i < 4; i++)
      for (let u = 0; u < 9; u++)
        expected +=
          (weights[i * 9 + u] ?? 0) * (share[Math.floor(u / 3)] ?? 0) * (share[u % 3] ?? 0) * (relu[i]?.mean ?? 0)
    assert.ok(Math.abs((y?.mean ?? 0) - expected) < 1e-9)
    assert.equal(y?.approximate, true)
  })

  it('count the taps inside the image, by stride, dilation and pads of each side', async () => {
    const model = tinyModel('x[N,3,7,9] -> Conv 3x2 3->4 strides=2,3 dilations=2,1 pads=2,0,1,1 -> y')
    const { shapes } = await contextOf(model)
    const [layer] = layersOf(model)
    const shares = layer ? tapShares(layer, shapes) : []
    // Rows 0..2 of the output begin at −2, 0, 2; columns 0..2 at 0, 3, 6: only row −2 lies outside.
    assert.deepEqual(
      Array.from(shares, (x) => Number(x.toFixed(4))),
      [0.6667, 0.6667, 1, 1, 1, 1],
    )
  })
})
