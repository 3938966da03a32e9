import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fittingDims } from './fit-value.ts'
import { concreteShapes } from './input-shape.ts'
import { openRandom } from './sources/random.ts'

const input = (name: string, dtype: string, ...shape: (number | string | null)[]) => ({ name, dtype, shape })

describe('random inputs that a model can work with', () => {
  it('are plausible scalars, ids inside the vocabulary, and masks of ones', async () => {
    const inputs = [
      input('audio', 'float32', 'batch', 80, 'frames'),
      input('audio_length', 'int64', 'batch'),
      input('sr', 'int64'),
      input('score_threshold', 'float32', 1),
      input('length_scale', 'float32'),
      input('ids', 'int64', 'batch', 'tokens'),
      input('attention_mask', 'int64', 'batch', 'tokens'),
    ]
    const { values } = await openRandom({ inputs, vocabularies: { ids: 7 } }).read(3)
    const numbers = (name: string) => Array.from(values[name]?.data ?? [], Number)
    assert.deepEqual(values['audio']?.dims, [1, 80, 16])
    assert.deepEqual(['audio_length', 'sr', 'score_threshold', 'length_scale'].map(numbers), [
      [16],
      [16000],
      [0.25],
      [1],
    ])
    assert.ok(numbers('ids').every((id) => id >= 0 && id < 7) && new Set(numbers('ids')).size > 2)
    assert.deepEqual([...new Set(numbers('attention_mask'))], [1])
  })

  it('stay small where sizes are free, and few where they are not', () => {
    const [free] = concreteShapes([input('x', 'float32', 'n', 'a', 'b', 'c', 'd', 'e', 'f')]).values()
    assert.ok((free ?? []).reduce((a, b) => a * b, 1) <= 2 ** 22, `${free}`)
    const large = openRandom({ inputs: [input('x', 'float32', 1, 3, 8000, 8000)], count: 256 })
    assert.equal(large.size, 4)
    assert.match(large.notes().join(), /4 random samples are drawn instead of 256/)
  })
})

describe('samples whose first axis is not a batch', () => {
  it('are taken whole where it is called a length, or where a batch leaves no place for them', () => {
    assert.deepEqual(fittingDims(['sequence_length', 576], [64, 576]), [64, 576])
    assert.deepEqual(fittingDims([null, 576], [64, 576]), [64, 576])
    assert.deepEqual(fittingDims(['T', 'batch', 40], [50, 40]), [50, 1, 40])
    assert.deepEqual(fittingDims(['sequence_length', 576], [576]), [1, 576])
    assert.equal(fittingDims(['batch', 576], [64, 576]), undefined)
    assert.equal(fittingDims(['N', 576], [64, 576]), undefined)
  })
})
