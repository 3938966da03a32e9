import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TensorValue } from '../../base/index.ts'
import type { Dataset, Label } from '../../data/index.ts'
import type { TrainingGraph } from '../training-graph.ts'
import { type BatchPlan, makeBatch, SampleStore } from './sample-store.ts'

type Graph = Pick<TrainingGraph, 'inputs' | 'batch' | 'fixed' | 'needs'>

const float = (dims: readonly number[], values: readonly number[]): TensorValue => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from(values),
})

/** Samples of one input, with their labels; `read` counts how often each was decoded. */
function datasetOf(values: readonly TensorValue[], labels: readonly (Label | undefined)[] = [], read: number[] = []) {
  const made: Dataset = {
    name: 'few',
    size: values.length,
    hasLabels: labels.length > 0,
    notes: [],
    id: (index) => `sample ${index}`,
    sample: async (index) => {
      read[index] = (read[index] ?? 0) + 1
      const label = labels[index]
      return { id: `sample ${index}`, inputs: { x: values[index]! }, ...(label === undefined ? {} : { label }) }
    },
  }
  return made
}

const storeOf = (dataset: Dataset) =>
  new SampleStore(
    dataset,
    Array.from({ length: dataset.size }, (_, i) => i),
  )

function graphOf(batch: number, dims: readonly number[], more: Partial<Graph['needs']> = {}): Graph {
  const needs = { labels: true, rows: batch, interleaved: false, teacher: [], rowWeight: true, sampleWeight: true }
  return { batch, inputs: [{ name: 'x', dims, dtype: 'float32' }], needs: { ...needs, ...more } }
}

const plan = (places: readonly number[], more: Partial<BatchPlan> = {}): BatchPlan => ({
  places,
  seed: 0,
  epoch: 0,
  ...more,
})
const pairs = [float([1, 2], [1, 2]), float([1, 2], [3, 4]), float([1, 2], [5, 6])]

describe('the samples of a training', () => {
  it('are decoded once where they are asked for again, every time where they are not', async () => {
    for (const [keep, expected] of [
      [true, [1, 1]],
      [false, [3, 3]],
    ] as const) {
      const read: number[] = []
      const store = new SampleStore(datasetOf(pairs.slice(0, 2), [], read), [0, 1], keep)
      for (let epoch = 0; epoch < 3; epoch++) for (const place of [1, 0]) await store.get(place)
      assert.deepEqual(read, expected)
    }
  })

  it('are called by their place in the list of those to train on', async () => {
    const store = new SampleStore(datasetOf(pairs, [7, 8, 9]), [2, 0])
    assert.deepEqual([store.size, store.id(0), store.id(1)], [2, 'sample 2', 'sample 0'])
    assert.deepEqual([(await store.get(0)).label, (await store.get(1)).label], [9, 7])
  })
})

describe('a batch', () => {
  it('is its samples one after the other, each counted once', async () => {
    const store = storeOf(datasetOf(pairs, [0, 2, 1]))
    const made = await makeBatch(store, graphOf(3, [3, 2]), plan([2, 0, 1]), 3)
    assert.deepEqual(made.inputs['x'], float([3, 2], [5, 6, 1, 2, 3, 4]))
    assert.deepEqual([...made.labels], [1n, 0n, 2n])
    assert.deepEqual([[...made.rowWeight], [...made.sampleWeight], made.rows], [[1, 1, 1], [1, 1, 1], 3])
  })

  it('that is too short is filled with samples again, which count nothing', async () => {
    const store = storeOf(datasetOf(pairs, [1, 2, 0]))
    const made = await makeBatch(store, graphOf(5, [5, 2]), plan([0, 1]), 3)
    assert.deepEqual([...(made.inputs['x']?.data ?? [])], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2])
    assert.deepEqual([[...made.rowWeight], [...made.sampleWeight], made.rows], [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], 2])
    assert.deepEqual([...made.labels], [1n, 2n, 0n, 0n, 0n])
  })

  it('has a row for each answer of a sample; one without a label counts nothing', async () => {
    const store = storeOf(
      datasetOf(pairs, [
        [1, -1, 2],
        [0, 1, -1],
      ]),
    )
    const made = await makeBatch(store, graphOf(2, [2, 2], { rows: 6 }), plan([0, 1]), 3)
    assert.deepEqual([...made.labels], [1n, 0n, 2n, 0n, 1n, 0n])
    assert.deepEqual([[...made.rowWeight], made.rows], [[1, 0, 1, 1, 1, 0], 4])
    const timed = await makeBatch(store, graphOf(2, [2, 2], { rows: 6, interleaved: true }), plan([0, 1]), 3)
    assert.deepEqual([...timed.labels], [1n, 0n, 0n, 1n, 2n, 0n])
    assert.deepEqual([...timed.rowWeight], [1, 1, 0, 1, 1, 0])
  })

  it('needs no labels where the loss asks for none: every sample counts', async () => {
    const made = await makeBatch(storeOf(datasetOf(pairs)), graphOf(3, [3, 2], { labels: false }), plan([0, 1, 2]), 1)
    assert.deepEqual([[...made.rowWeight], made.rows], [[1, 1, 1], 3])
  })

  it('of integers keeps them, also those beyond what a float holds', async () => {
    const large = 2n ** 53n + 1n
    const tokens = [large, 5n].map(
      (token): TensorValue => ({ dtype: 'int64', dims: [1, 1], data: BigInt64Array.of(token) }),
    )
    const graph = { ...graphOf(2, [2, 1]), inputs: [{ name: 'x', dims: [2, 1], dtype: 'int64' as const }] }
    const made = await makeBatch(storeOf(datasetOf(tokens, [0, 0])), graph, plan([0, 1]), 1)
    assert.deepEqual(made.inputs['x']?.data, BigInt64Array.of(large, 5n))
  })

  it('of a model with a fixed batch is joined along its axis, or is what all samples share', async () => {
    const store = storeOf(datasetOf([float([2, 1], [1, 2]), float([2, 1], [3, 4])], [0, 0]))
    const along = { ...graphOf(2, [2, 2]), fixed: { size: 2, axes: { x: 1 } } }
    const made = await makeBatch(store, along, plan([0, 1]), 1)
    assert.deepEqual(made.inputs['x'], float([2, 2], [1, 3, 2, 4]))
    const shared = { ...graphOf(2, [2, 1]), fixed: { size: 2, axes: {} } }
    assert.deepEqual((await makeBatch(store, shared, plan([1, 0]), 1)).inputs['x'], float([2, 1], [3, 4]))
  })

  it('of moved pictures is the same for one seed and epoch, and another in the next', async () => {
    const picture = float(
      [1, 1, 4, 4],
      Array.from({ length: 16 }, (_, i) => i),
    )
    const store = storeOf(datasetOf([picture, picture, picture, picture], [0, 0, 0, 0]))
    const augmentation = { flip: true, shift: 2 }
    const drawn = async (epoch: number) => {
      const made = await makeBatch(store, graphOf(4, [4, 1, 4, 4]), plan([0, 1, 2, 3], { epoch, augmentation }), 1)
      return [...(made.inputs['x']?.data as Float32Array)]
    }
    assert.deepEqual(await drawn(1), await drawn(1))
    assert.notDeepEqual(await drawn(1), await drawn(2))
  })
})

describe('a batch is refused', () => {
  const refused = (
    values: readonly TensorValue[],
    labels: readonly Label[],
    message: string,
    graph = graphOf(2, [2, 2]),
  ) =>
    assert.rejects(makeBatch(storeOf(datasetOf(values, labels)), graph, plan([0, 1]), 3), {
      name: 'InputError',
      message,
    })

  it('where a sample has another size than the model trains with', async () => {
    const message = 'sample 1 has 3 values for input "x", the model trains with 2; give all samples one size'
    await refused([pairs[0]!, float([1, 3], [1, 2, 3])], [0, 0], message)
  })

  it('where labels are not those of the model', async () => {
    const beyond = 'a label is 3, but the model has 3 classes (0 to 2); are these its labels?'
    await refused(pairs, [0, 3], beyond)
    const many = 'the model gives 1 answers for a sample, sample 1 has 2 labels; is this the right set of labels?'
    await refused(pairs, [0, [1, 2]], many)
  })

  it('where an input cannot be fed', async () => {
    const graph = { ...graphOf(2, [2, 2]), inputs: [{ name: 'x', dims: [2, 2], dtype: 'string' as const }] }
    await refused(pairs, [0, 0], 'input "x" is string, which cannot be fed', graph)
  })
})
