import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError, type TensorValue } from '../base/index.ts'
import { batches } from './batch.ts'
import type { Sample } from './dataset.ts'

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
