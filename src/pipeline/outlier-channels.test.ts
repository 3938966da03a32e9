import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ChannelStatistics, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { inputChannelRows, outlierChannels } from './outlier-channels.ts'

const CHANNELS = 8

/** Two layers read x: one without channel 2, as a mask and its weight say, one with all. */
function model(mask: readonly number[]) {
  const weight = (without: readonly number[]) =>
    Tensor.from(
      'float32',
      [CHANNELS, 2],
      Float32Array.from({ length: CHANNELS * 2 }, (_, i) => (without.includes(Math.floor(i / 2)) ? 0 : 1)),
    )
  return makeModel({
    name: 'm',
    nodes: [
      makeNode({ opType: 'Mul', inputs: ['x', 'mask'], outputs: ['rest'] }),
      makeNode({ opType: 'MatMul', name: 'a', inputs: ['rest', 'wa'], outputs: ['y'] }),
      makeNode({ opType: 'MatMul', name: 'b', inputs: ['x', 'wb'], outputs: ['z'] }),
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, CHANNELS] }],
    outputs: [
      { name: 'y', dtype: 'float32' },
      { name: 'z', dtype: 'float32' },
    ],
    initializers: {
      mask: Tensor.from('float32', [CHANNELS], Float32Array.from(mask)),
      wa: weight([2]),
      wb: weight([]),
    },
  })
}
const mask = Array.from({ length: CHANNELS }, (_, c) => (c === 2 ? 0 : 1))
const seen = (high: number): ChannelStatistics => ({
  mean: new Float64Array(CHANNELS),
  deviation: new Float64Array(CHANNELS),
  min: new Float64Array(CHANNELS).fill(-1),
  max: Float64Array.from({ length: CHANNELS }, (_, c) => (c === 2 ? high : 1)),
  source: 'calibrated',
})

describe('channels of what layers read', () => {
  const floatModel = model(mask)

  it('that go apart are named for the layers that leave them out', () => {
    assert.deepEqual(outlierChannels({ floatModel, outliers: { x: [2] } }), [{ layer: 'a', channels: [2] }])
    assert.deepEqual(outlierChannels({ floatModel }), [])
  })

  it('are rows of the report where some go apart or one stands out', () => {
    const rows = (high: number, outliers = {}) =>
      inputChannelRows({ floatModel, inputChannels: new Map([['x', seen(high)]]), outliers })
    const [row] = rows(30, { x: [2] })
    assert.deepEqual(
      [row?.value, row?.layers, row?.channels, row?.peak, row?.apart, row?.max[2]],
      ['x', ['a', 'b'], CHANNELS, 30, [2], 30],
    )
    assert.deepEqual(rows(10)[0]?.apart, [])
    assert.deepEqual(rows(2), [])
  })
})
