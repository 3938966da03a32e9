import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fittingDims, fittingFor, inputFor } from './fit-value.ts'

const input = (dtype: string, ...shape: (number | string | null)[]) => ({ name: 'x', dtype, shape })

describe('fittingDims', () => {
  it('puts a batch axis in front, whatever batch the model is fixed to', () => {
    assert.deepEqual(fittingDims(['N', 3, 8, 8], [3, 8, 8]), [1, 3, 8, 8])
    assert.deepEqual(fittingDims([4, 3, 8, 8], [3, 8, 8]), [1, 3, 8, 8])
  })

  it('keeps a sample that has its batch axis', () => {
    assert.deepEqual(fittingDims(['N', 40], [1, 40]), [1, 40])
    assert.deepEqual(fittingDims(['T'], [9]), [9])
    assert.equal(fittingDims(['N', 40], [3, 40]), undefined)
  })

  it('adds and takes away axes of size 1', () => {
    assert.deepEqual(fittingDims(['N', 1, 28, 28], [28, 28]), [1, 1, 28, 28])
    assert.deepEqual(fittingDims(['N', 40], [40, 1]), [1, 40])
  })

  it('puts the batch axis behind a first axis that is declared as time', () => {
    assert.deepEqual(fittingDims([10, 'N', 16], [10, 16]), [10, 1, 16])
    assert.deepEqual(fittingDims([10, 4, 16], [10, 16]), [10, 1, 16])
    assert.deepEqual(fittingDims(['seq_len', 'batch', 16], [7, 16]), [7, 1, 16])
    assert.deepEqual(fittingDims([16, 16, 16], [16, 16]), [1, 16, 16])
    assert.deepEqual(fittingDims(['N', 'T', 16], [7, 16]), [1, 7, 16])
    assert.equal(fittingDims(['N', 3, 8, 8], [1, 8, 8]), undefined)
  })

  it('refuses another number of values', () => {
    assert.equal(fittingDims(['N', 3, 8, 8], [8, 8, 3]), undefined)
  })
})

describe('inputFor', () => {
  const ids = { name: 'ids', dtype: 'int64', shape: ['N', 4] }
  const features = { name: 'features', dtype: 'float32', shape: ['N', 4] }

  it('takes the first input of the same kind of number', () => {
    assert.equal(inputFor([ids, features], { dtype: 'float64', dims: [4] }, 'a'), features)
    assert.equal(inputFor([features, ids], { dtype: 'uint8', dims: [4] }, 'a'), ids)
    assert.equal(inputFor([features], { dtype: 'uint8', dims: [4] }, 'a'), features)
  })

  it('names the input, got and expected when nothing fits', () => {
    assert.throws(
      () => inputFor([ids], { dtype: 'float32', dims: [5] }, 'a.npy'),
      /a\.npy.*float32\[5\].*"ids" int64\[N,4\]/,
    )
  })
})

describe('fittingFor', () => {
  const planes = { dtype: 'uint8', dims: [3, 1, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6) } as const

  it('scales 8-bit planes per channel', () => {
    const { apply, notes } = fittingFor(input('float32', 'N', 3, 1, 2), planes, { mean: [1, 2, 3], std: 2 }, 'a')
    assert.deepEqual([...apply(planes).data], [0, 0.5, 0.5, 1, 1, 1.5])
    assert.deepEqual(notes, [])
  })

  it('swaps R and B planes for BGR', () => {
    const { apply } = fittingFor(input('float32', 'N', 3, 1, 2), planes, { channelOrder: 'BGR', mean: [1, 2, 3] }, 'a')
    assert.deepEqual([...apply(planes).data], [4, 5, 1, 2, -2, -1])
  })

  it('scales the last axis for NHWC', () => {
    const pixels = { ...planes, dims: [1, 2, 3] }
    const { apply } = fittingFor(input('float32', 'N', 1, 2, 3), pixels, { layout: 'NHWC', mean: [1, 2, 3] }, 'a')
    assert.deepEqual([...apply(pixels).data], [0, 0, 0, 3, 3, 3])
  })

  it('feeds values as they are without preprocessing, and says so', () => {
    const { apply, notes } = fittingFor(input('float16', 'N', 3, 1, 2), planes, undefined, 'a')
    assert.equal(apply(planes).dtype, 'float16')
    assert.match(notes.join(), /"x" gets 8-bit values 0\.\.255 as they are/)
  })

  it('does not scale what is stored as float, and says so', () => {
    const floats = { dtype: 'float32', dims: [2], data: Float32Array.of(7, 8) } as const
    const { apply, notes } = fittingFor(input('float32', 'N', 2), floats, { scale: 2 }, 'a')
    assert.deepEqual([...apply(floats).data], [7, 8])
    assert.match(notes.join(), /were not applied/)
  })

  it('refuses fractions for an integer input', () => {
    assert.throws(
      () => fittingFor(input('int64', 'N', 2), { dtype: 'float32', dims: [2] }, undefined, 'a'),
      /"x" int64/,
    )
  })
})
