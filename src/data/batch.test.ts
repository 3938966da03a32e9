import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError, type TensorValue } from '../base/index.ts'
import { batches, countedOf, feedsOf, fullBatches, joinSamples, samplesIn } from './batch.ts'
import type { Dataset, InputSpec, Sample } from './dataset.ts'
import { datasetOf } from './dataset-of.ts'

function sample(id: string, value: TensorValue, label?: number): Sample {
  return { id, inputs: { x: value }, ...(label !== undefined && { label }) }
}

function row(...values: number[]): TensorValue {
  return { dtype: 'float32', dims: [1, values.length], data: Float32Array.from(values) }
}

async function* stream(...samples: Sample[]): AsyncGenerator<Sample> {
  yield* samples
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('batches', () => {
  it('joins samples in order, the last batch may be smaller', async () => {
    const all = await collect(batches(stream(sample('a', row(1)), sample('b', row(2)), sample('c', row(3))), 2))
    assert.deepEqual(
      all.map((batch) => [batch.ids, batch.size]),
      [
        [['a', 'b'], 2],
        [['c'], 1],
      ],
    )
    assert.deepEqual([...all[0]!.inputs['x']!.data], [1, 2])
    assert.deepEqual(all[0]!.inputs['x']!.dims, [2, 1])
  })

  it('starts a new batch where the shape changes', async () => {
    const all = await collect(batches(stream(sample('a', row(1)), sample('b', row(2, 3)), sample('c', row(4, 5))), 8))
    assert.deepEqual(
      all.map((batch) => batch.ids),
      [['a'], ['b', 'c']],
    )
  })

  it('has labels when every sample has one', async () => {
    const all = await collect(batches(stream(sample('a', row(1), 4), sample('b', row(2), 5), sample('c', row(3))), 2))
    assert.deepEqual(
      all.map((batch) => batch.labels),
      [[4, 5], undefined],
    )
  })

  it('leaves what has no batch axis alone', async () => {
    const scalar = (value: number): TensorValue => ({ dtype: 'int32', dims: [], data: Int32Array.of(value) })
    const all = await collect(
      batches(stream(sample('a', scalar(7)), sample('b', scalar(7)), sample('c', scalar(8))), 8),
    )
    assert.deepEqual(
      all.map((batch) => [batch.size, batch.inputs['x']!.dims]),
      [
        [2, []],
        [1, []],
      ],
    )
    const state: TensorValue = { dtype: 'float32', dims: [2, 1], data: new Float32Array(2) }
    assert.equal((await collect(batches(stream(sample('a', state), sample('b', state)), 8))).length, 2)
  })

  it('refuses a batch size that is none', async () => {
    await assert.rejects(collect(batches(stream(), 0)), InputError)
  })
})

describe('a fixed batch', () => {
  /** Samples [i, i + 0.5] of a model that declares its input so. */
  function dataset(shape: (number | string)[], dims: readonly number[], others: readonly InputSpec[] = []): Dataset {
    return datasetOf(
      {
        name: 'rows',
        size: 10,
        fed: new Set(['x']),
        hasLabels: true,
        notes: () => [],
        id: String,
        read: async (index) => ({
          values: { x: { dtype: 'float32', dims, data: Float32Array.of(index, index + 0.5) } },
          label: index,
        }),
      },
      { inputs: [{ name: 'x', dtype: 'float32', shape }, ...others] },
    )
  }
  async function* samplesOf(of: Dataset, count: number): AsyncGenerator<Sample> {
    for (let index = 0; index < count; index++) yield of.sample(index)
  }

  it('is what samples are joined to, whatever batch is asked for; the last one is filled up and counts what is there', async () => {
    const all = await collect(batches(samplesOf(dataset([4, 2], [1, 2]), 6), 1))
    assert.deepEqual(
      all.map(({ ids, size, labels, inputs }) => [ids.length, size, labels, inputs['x']?.dims]),
      [
        [4, 4, [0, 1, 2, 3], [4, 2]],
        [2, 2, [4, 5], [4, 2]],
      ],
    )
    assert.deepEqual([...(all[1]?.inputs['x']?.data ?? [])], [4, 4.5, 5, 5.5, 4, 4.5, 5, 5.5])
    assert.deepEqual(fullBatches(all).length, 1)
    assert.deepEqual(fullBatches(all.slice(1)).length, 1)
  })

  it('lies on the second axis where the first is time', async () => {
    const batch = joinSamples([...(await collect(samplesOf(dataset([2, 3, 1], [2, 1, 1]), 2)))])
    assert.deepEqual(batch.inputs['x']?.dims, [2, 3, 1])
    assert.deepEqual([...(batch.inputs['x']?.data ?? [])], [0, 1, 0, 0.5, 1.5, 0.5])
    assert.deepEqual(
      samplesIn(batch).map(({ inputs }) => [inputs['x']?.dims, ...(inputs['x']?.data ?? [])]),
      [
        [[2, 1, 1], 0, 0.5],
        [[2, 1, 1], 1, 1.5],
      ],
    )
  })

  it('takes what only filled it up out of what the model gave', async () => {
    const [batch] = await collect(batches(samplesOf(dataset([4, 2], [1, 2]), 3), 1))
    const value = (dims: number[]): TensorValue => ({
      dtype: 'float32',
      dims,
      data: new Float32Array(8).map((_, i) => i),
    })
    const counted = countedOf({ a: value([4, 2]), b: value([8, 1]), c: value([2, 2, 2]) }, batch!)
    assert.deepEqual(
      Object.values(counted).map(({ dims, data }) => [dims, data.length]),
      [
        [[3, 2], 6],
        [[6, 1], 6],
        [[2, 2, 2], 8],
      ],
    )
  })

  it('feeds one sample as often as the model asks, and leaves inputs alone that have all rows', async () => {
    const of = dataset([4, 2], [1, 2], [{ name: 'mask', dtype: 'int64', shape: [4, 3] }])
    const feeds = await feedsOf(of, 3)
    assert.deepEqual(
      [feeds['x']?.dims, feeds['mask']?.dims],
      [
        [4, 2],
        [4, 3],
      ],
    )
    assert.deepEqual([...(feeds['x']?.data ?? [])], [3, 3.5, 3, 3.5, 3, 3.5, 3, 3.5])
  })

  it('is none where a sample is a whole run', async () => {
    const whole = await dataset([2], [2]).sample(0)
    assert.equal(whole.fixed, undefined)
    assert.equal((await collect(batches(samplesOf(dataset([2], [2]), 3), 8))).length, 3)
  })
})
