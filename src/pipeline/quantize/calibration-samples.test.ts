import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Batch, Dataset, FixedBatch } from '../../data/index.ts'
import { finiteDataset } from '../finite-dataset.ts'
import { CalibrationSamples } from './calibration-samples.ts'

/** Samples whose one value is their number; `read` has the numbers in the order in which they were read. */
function numbered(size: number, more: { readonly fixed?: FixedBatch; readonly values?: readonly number[] } = {}) {
  const read: number[] = []
  const dataset: Dataset = {
    ...{ name: 'numbers', size, hasLabels: false, notes: [] },
    id: (index) => `sample ${index}`,
    sample: async (index) => {
      read.push(index)
      const data = Float32Array.of(more.values?.[index] ?? index)
      const inputs = { x: { dtype: 'float32' as const, dims: [1, 1], data } }
      return { id: `sample ${index}`, inputs, ...(more.fixed ? { fixed: more.fixed } : {}) }
    },
  }
  return { dataset, read }
}

const samplesOf = (size: number, shares = { most: 8, validationEvery: 4 }, fixed?: FixedBatch) => {
  const { dataset, read } = numbered(size, fixed ? { fixed } : {})
  const indices = Array.from({ length: size }, (_, i) => i)
  return { samples: new CalibrationSamples(dataset, indices, {}, shares), read }
}

/** The samples that count in some batches. */
const inside = (batches: readonly Batch[]) =>
  batches.flatMap(({ inputs, size }) => [...((inputs['x']?.data ?? []) as Float32Array)].slice(0, size))
async function collected(from: AsyncIterable<Batch>): Promise<number[]> {
  const batches: Batch[] = []
  for await (const batch of from) batches.push(batch)
  return inside(batches)
}

async function splitOf(samples: CalibrationSamples): Promise<{ readonly fit: number[]; readonly judge: number[] }> {
  const split = await samples.split()
  const part = (wanted: boolean) =>
    inside(split.filter(({ validation }) => validation === wanted).map(({ batch }) => batch))
  return { fit: part(false), judge: part(true) }
}

describe('the samples of a quantisation', () => {
  it('are spread over all there are, every fourth of them held back', async () => {
    const { samples } = samplesOf(16)
    assert.deepEqual(await splitOf(samples), { fit: [1, 3, 5, 9, 11, 13], judge: [7, 15] })
    assert.deepEqual(samples.outside, [0, 2, 4, 6, 8, 10, 12, 14])
    assert.equal(samples.fitting, 14)
  })

  it('are read once for all that is done with them', async () => {
    const { samples, read } = samplesOf(10)
    await samples.split()
    await samples.few(1)
    assert.deepEqual(
      (await collected(samples.all())).sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
    assert.deepEqual(
      read.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
    const fitted = await collected(samples.all(false))
    assert.equal(fitted.length, 8)
    assert.ok(fitted.every((value) => !(value === 4 || value === 9) || samples.outside.includes(value)))
  })

  it('are in one part each, whatever there are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 2, max: 5 }),
        async (size, most, validationEvery) => {
          const { samples } = samplesOf(size, { most, validationEvery })
          samples.batchSize = 3
          const { fit, judge } = await splitOf(samples)
          assert.ok(fit.length > 0)
          const parts = [...fit, ...judge, ...samples.outside]
          assert.deepEqual(
            parts.toSorted((a, b) => a - b),
            samples.indices,
          )
          const few = inside((await samples.few(2)).map(({ batch }) => batch))
          assert.ok(few.length > 0 && few.every((value) => (judge.length > 0 ? judge : fit).includes(value)))
        },
      ),
      { numRuns: 40 },
    )
  })

  it('of which there is one alone fit and judge at once', async () => {
    const { samples } = samplesOf(1)
    assert.deepEqual(await splitOf(samples), { fit: [0], judge: [] })
    assert.deepEqual(
      (await samples.few(3)).map(({ validation, batch }) => [validation, batch.size]),
      [[true, 1]],
    )
  })

  it('of a fixed batch fit in whole runs; what fills none judges', async () => {
    const { samples } = samplesOf(8, { most: 8, validationEvery: 4 }, { size: 4, axes: { x: 0 } })
    const { fit, judge } = await splitOf(samples)
    assert.deepEqual(
      [fit, judge],
      [
        [0, 1, 2, 4],
        [3, 7, 5, 6],
      ],
    )
  })

  it('have their names in order', () => assert.deepEqual(samplesOf(2).samples.ids(), ['sample 0', 'sample 1']))
})

describe('samples that are scored', () => {
  const checkedOf = (...values: number[]) => finiteDataset(numbered(values.length, { values }).dataset, 0)
  const { NaN: none, POSITIVE_INFINITY: infinite } = Number

  it('are refused where one is not a number, by its name', async () => {
    const checked = checkedOf(1, none)
    assert.equal((await checked.sample(0)).id, 'sample 0')
    await assert.rejects(checked.sample(1), {
      name: 'InputError',
      message:
        'tensor "x" is NaN for sample sample 1; no figure can be told from such values: check the sample and its preprocessing',
    })
  })

  it('may be infinite where the usual one is, but never NaN', async () => {
    await assert.rejects(checkedOf(1, infinite).sample(1), /"x" is infinite for sample sample 1/)
    assert.equal((await checkedOf(-infinite, infinite).sample(1)).id, 'sample 1')
    await assert.rejects(checkedOf(infinite, none).sample(1), /"x" is NaN/)
  })
})
