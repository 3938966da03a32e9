import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type ChannelStatistics, type Layer, layersOf, Tensor } from '../../onnx/index.ts'
import { standsAlone } from './alone.ts'
import { blames, type Noisy } from './blame.ts'
import { diagnose, outlierOf, type Symptoms, shareOfOutlier } from './causes.ts'
import { ownersOf } from './owners.ts'

/** Eight channels; all alike but for what is said of some. */
function channels(
  said: Partial<Record<number, { min?: number; max?: number; mean?: number; deviation?: number }>> = {},
): ChannelStatistics {
  const each = (key: 'min' | 'max' | 'mean' | 'deviation', usual: number) =>
    Float64Array.from({ length: 8 }, (_, c) => said[c]?.[key] ?? usual)
  return {
    min: each('min', -1),
    max: each('max', 1),
    mean: each('mean', 0),
    deviation: each('deviation', 0.4),
    source: 'calibrated',
  }
}

const grid = (low: number, high: number, observed = { min: low, max: high }) => ({
  params: { dtype: 'uint8' as const, scale: Float32Array.of((high - low) / 255), zeroPoint: Int32Array.of(0) },
  low,
  high,
  method: 'minmax',
  observed,
})

/** A convolution with eight outputs whose weights all reach 1, and 30 in one of them where that is asked for. */
function layerOf({ loud = -1, reach = 30, bias }: { loud?: number; reach?: number; bias?: number } = {}): Layer {
  const model = tinyModel('x[N,4,6,6] -> Conv 1x1 4->8 -> y')
  const [layer] = layersOf(model)
  assert.ok(layer?.view)
  const weight = Float32Array.from(
    { length: layer.weight.size },
    (_, i) => (Math.floor(i / 4) === loud ? reach : 1) * (i % 2 ? 1 : -0.5),
  )
  const biases = Float32Array.from({ length: 8 }, (_, o) => (o === 5 ? (bias ?? 0.1) : 0.1))
  return {
    ...layer,
    weight: Tensor.from('float32', layer.weight.shape, weight),
    bias: Tensor.from('float32', [8], biases),
  }
}

const symptoms = (more: Partial<Symptoms>): Symptoms => ({
  name: 'conv',
  op: 'Conv',
  noise: { weights: 1e-4, activations: 1e-3, both: 1.1e-3 },
  layer: layerOf(),
  weightBits: 8,
  perTensor: false,
  values: [{ value: 'y', grid: grid(-1, 1), channels: channels() }],
  addends: [],
  floatMs: 2,
  ...more,
})

describe('the cause of noise', () => {
  it('is rounding where nothing stands out, and float is what is left', () => {
    const found = diagnose(symptoms({}))
    assert.equal(found.cause, 'rounding')
    assert.equal(found.remedy, '--exclude conv')
    assert.deepEqual([found.bytes, found.ms], [3 * 32, 2])
    assert.match(diagnose(symptoms({ op: 'Mul', layer: undefined })).remedy, /"y": \{ "float": true \}/)
  })

  it('is an outlier channel of the weight where all share one scale', () => {
    const noise = { weights: 1e-2, activations: 1e-4, both: 1e-2 }
    const found = diagnose(symptoms({ noise, layer: layerOf({ loud: 3 }), perTensor: true }))
    assert.deepEqual([found.cause, found.channel, found.remedy], ['outlier channel', 3, '--weights per-channel'])
    assert.match(found.detail, /channel 3 .* reaches 30 times/)
    assert.equal(
      diagnose(symptoms({ noise, layer: layerOf({ loud: 3, reach: 6 }) })).cause,
      'rounding',
      'each channel has its own',
    )
  })

  it('is few bits where weights have few', () => {
    const noise = { weights: 1e-2, activations: 1e-4, both: 1e-2 }
    const found = diagnose(symptoms({ noise, weightBits: 4 }))
    assert.deepEqual([found.cause, found.remedy, found.bytes], ['few bits', '--keep-8bit conv', 16])
  })

  it('is a clipped range where samples reach beyond the grid', () => {
    const narrow = grid(-0.1, 0.1, { min: -1, max: 0.9 })
    const of = (method: string) =>
      symptoms({ values: [{ value: 'y', grid: { ...narrow, method }, channels: channels() }] })
    assert.equal(diagnose(of('minmax')).cause, 'rounding', 'nobody hears the rest')
    const found = diagnose(of('percentile'))
    assert.equal(found.cause, 'clipped range')
    assert.match(found.remedy, /"y": \{ "range": \[-1, 0\.9\] \}/)
  })

  it('is an outlier channel of the value, or the bias that moved it', () => {
    const wide = [{ value: 'y', grid: grid(-20, 20), channels: channels({ 5: { max: 20, deviation: 8 } }) }]
    const found = diagnose(symptoms({ values: wide }))
    assert.deepEqual([found.cause, found.channel], ['outlier channel', 5])
    assert.match(found.detail, /20 times as far as the median channel: the others have 13 of 255 steps/)
    const moved = [
      { value: 'y', grid: grid(-1, 20), channels: channels({ 5: { min: 18, max: 20, mean: 19, deviation: 0.4 } }) },
    ]
    const shifted = diagnose(symptoms({ values: moved, layer: layerOf({ bias: 19 }) }))
    assert.deepEqual([shifted.cause, shifted.channel], ['moved bias', 5])
  })

  it('is a dead grid where values share a few codes', () => {
    const values = [{ value: 'y', grid: grid(-100, 100), channels: channels({}) }]
    const found = diagnose(symptoms({ values }))
    assert.equal(found.cause, 'dead grid')
    assert.match(found.detail, /deviation of "y" is 0\.5 steps/)
  })

  it('is a small signal under a residual where a sum adds a loud one to a quiet one', () => {
    const found = diagnose(symptoms({ op: 'Add', layer: undefined, addends: [10, 0.5] }))
    assert.equal(found.cause, 'small signal under a residual')
    assert.equal(diagnose(symptoms({ op: 'Add', layer: undefined, addends: [1, 0.5] })).cause, 'rounding')
  })
})

describe('blame', () => {
  const model = tinyModel(
    'x[N,4,6,6] -> Conv 1x1 4->8 -> a -> Relu -> b; b -> Conv 1x1 8->8 -> c; b,c -> Add -> d; d -> Conv 1x1 8->2 -> y',
  )
  const [one, two, three] = layersOf(model).map(({ name }) => name)
  const ownerOf = ownersOf(model)
  const row = (value: string, weights: number, activations: number): Noisy => ({
    owner: ownerOf(value),
    noise: { weights, activations, both: weights + activations },
    values: [value],
  })
  const rows = [row('b', 0.1, 1), row('c', 5, 1), row('d', 0, 3), row('y', 4, 1)]

  it('stays where noise is, without outlier channels', () => {
    const seen = new Map(['b', 'c', 'd'].map((value) => [value, channels()]))
    const found = blames(rows, seen, ownerOf)
    assert.deepEqual([...found.values()], [1.1, 6, 3, 5])
    assert.deepEqual([...found.keys()], [one, two, ownerOf('d').name, three])
  })

  it('goes to the layer that makes an outlier channel, from weights that read it and from sums that it passes', () => {
    const loud = channels({ 2: { max: 100, deviation: 40 } })
    const seen = new Map([
      ['b', loud],
      ['c', channels()],
      ['d', loud],
    ])
    const share = shareOfOutlier(loud)
    assert.ok(share > 0.99 && share < 1)
    const found = blames(rows, seen, ownerOf)
    assert.ok(Math.abs((found.get(two ?? '') ?? 0) - (6 - 5 * share)) < 1e-9)
    assert.equal(found.get(ownerOf('d').name), 0)
    const moved = 1.1 + 5 * share + 3 + 4 * share
    assert.ok(Math.abs((found.get(one ?? '') ?? 0) - moved) < 1e-9, `${found.get(one ?? '')} for ${moved}`)
  })

  it('sees a layer through what only clamps it', () => {
    assert.equal(ownerOf('b').name, one)
    assert.equal(ownerOf('d').op, 'Add')
    assert.deepEqual(ownerOf('x'), { name: 'x', op: 'Input', inputs: [] })
    assert.equal(outlierOf(channels()), undefined)
  })
})

describe('constants that look damaged', () => {
  const loud = { value: 'y', grid: grid(-30, 30), channels: channels({ 3: { min: -30, max: 30 } }) }

  it('are a channel of the weight or a bias far beyond all others, the one that is farther', () => {
    assert.equal(standsAlone(layerOf(), undefined), undefined)
    assert.deepEqual(standsAlone(layerOf({ loud: 3 }), 3), { of: 'weight', channel: 3, times: 30 })
    const { channel, of } = standsAlone(layerOf({ bias: -9 }), undefined) ?? {}
    assert.deepEqual([of, channel], ['bias', 5])
    assert.equal(standsAlone(layerOf({ loud: 3, bias: 9 }), 3)?.of, 'bias')
    assert.equal(standsAlone(layerOf({ bias: 0.4 }), undefined), undefined)
  })

  it('are not a row of weights whose channel is as loud as the others: a normalisation was folded into it', () => {
    const row = { loud: 3, reach: 6 }
    assert.equal(standsAlone(layerOf(row), undefined), undefined)
    assert.equal(standsAlone(layerOf(row), 4), undefined)
    assert.equal(diagnose(symptoms({ layer: layerOf(row) })).damaged, undefined)
    assert.equal(diagnose(symptoms({ layer: layerOf(row), values: [loud] })).damaged, true)
    // An activation with an upper bound hides how loud a channel is.
    assert.equal(diagnose(symptoms({ layer: layerOf({ loud: 3 }) })).damaged, true)
  })

  it('are the cause, whatever the noise says, but for a range that clips', () => {
    const damaged = diagnose(symptoms({ layer: layerOf({ bias: 9 }) }))
    assert.deepEqual([damaged.cause, damaged.channel, damaged.damaged], ['moved bias', 5, true])
    assert.match(damaged.detail, /channel 5 of the bias of conv reaches 90 times as far as any other/)
    const cut = { value: 'y', grid: { ...grid(-0.1, 0.1, { min: -1, max: 1 }), method: 'given' }, channels: channels() }
    assert.equal(diagnose(symptoms({ layer: layerOf({ bias: 9 }), values: [cut] })).cause, 'clipped range')
  })
})
