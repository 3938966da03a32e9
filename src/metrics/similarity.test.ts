import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Batch } from '../data/index.ts'
import type { Values } from '../runtime/index.ts'
import { Comparer } from './compare.ts'
import { retrievalAgreement } from './retrieval.ts'

/** Texts of tokens of two numbers each. */
const y = (texts: readonly (readonly (readonly number[])[])[]): Values => ({
  y: { dtype: 'float32', dims: [texts.length, texts[0]?.length ?? 0, 2], data: Float32Array.from(texts.flat(2)) },
})
const batch = (mask: readonly (readonly number[])[]): Batch => ({
  ids: mask.map((_, index) => String(index)),
  size: mask.length,
  inputs: {
    mask: { dtype: 'int64', dims: [mask.length, mask[0]?.length ?? 0], data: BigInt64Array.from(mask.flat(), BigInt) },
  },
})
const embedding = { kind: 'embedding', output: 'y', tokens: 'ids', mask: 'mask' } as const
const compared = (before: Values, after: Values, mask: readonly (readonly number[])[]) => {
  const comparer = new Comparer(undefined, embedding)
  comparer.add(before, after, batch(mask))
  return comparer.result()
}
const near = (got: number | undefined, wanted: number) =>
  assert.ok(Math.abs((got ?? Number.NaN) - wanted) < 1e-6, `${got}`)

describe('the similarity of embeddings', () => {
  it('is the cosine of the mean over the tokens that the mask keeps, and of each of them', () => {
    const [before, after] = [
      y([
        [
          [1, 0],
          [0, 1],
          [5, 5],
        ],
      ]),
      y([
        [
          [0, 1],
          [1, 0],
          [-5, -5],
        ],
      ]),
    ]
    const { similarity, agreement } = compared(before, after, [[1, 1, 0]])
    near(similarity?.pooled.value, 1)
    near(similarity?.byToken?.value, 0)
    assert.equal(agreement, undefined)
    near(compared(before, after, [[1, 1, 1]]).similarity?.byToken?.value, -1 / 3)
  })

  it('has an interval over the texts, that ends at 1', () => {
    const texts = [[[1, 0]], [[1, 0]], [[1, 0]], [[1, 0]]]
    const { similarity } = compared(y(texts), y([[[1, 0]], [[1, 0]], [[1, 0]], [[1, 0.5]]]), [[1], [1], [1], [1]])
    const { value = 0, interval, samples } = similarity?.pooled ?? {}
    assert.ok(value < 1 && (interval?.low ?? 1) < value && interval?.high === 1 && samples === 4)
  })

  it('leaves out texts for which the original gives NaN, and counts those of the other model as far away', () => {
    const nan = [[Number.NaN, 0]]
    near(compared(y([nan, [[1, 0]]]), y([[[1, 0]], [[1, 0]]]), [[1], [1]]).similarity?.pooled.value, 1)
    near(compared(y([[[1, 0]]]), y([nan]), [[1]]).similarity?.pooled.value, -1)
  })

  it('of logits is none: their highest is compared, with labels or without', () => {
    const comparer = new Comparer(undefined, { kind: 'logits', output: 'y', tokens: 'ids' })
    comparer.add(
      y([
        [
          [1, 2],
          [2, 1],
        ],
      ]),
      y([
        [
          [1, 2],
          [1, 2],
        ],
      ]),
      batch([[1, 1]]),
    )
    assert.deepEqual([comparer.result().agreement, comparer.result().similarity], [0.5, undefined])
  })
})

describe('retrievalAgreement', () => {
  const texts = (...angles: number[]) => angles.map((angle) => Float64Array.of(Math.cos(angle), Math.sin(angle)))

  it('is the share of texts with the same nearest other text', () => {
    const same = retrievalAgreement(texts(0, 0.1, 1, 1.1), texts(0.5, 0.6, 1.5, 1.6))
    assert.deepEqual([same?.value, same?.samples], [1, 4])
    // The last one moves from the third to the first.
    assert.equal(retrievalAgreement(texts(0, 0.1, 1, 1.05), texts(0, 0.1, 1, -0.05))?.value, 0.25)
  })

  it('counts either of two that are equally near, and needs three texts', () => {
    assert.equal(retrievalAgreement(texts(0, 0.1, 0.1), texts(0, 0.11, 0.1))?.value, 1)
    assert.equal(retrievalAgreement(texts(0, 1), texts(0, 1)), undefined)
  })
})
