import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { didYouMean, nearestWord } from './nearest-word.ts'

describe('the word that was meant', () => {
  const words = ['exif', 'exclude', 'weights', 'weightBits', 'seed']

  it('is the nearest one, whatever its case', () => {
    assert.equal(nearestWord('weightz', words), 'weights')
    assert.equal(nearestWord('weightbit', words), 'weightBits')
    assert.equal(nearestWord('EXCLUDES', words), 'exclude')
  })

  it('may have two neighbours swapped, even in a short word', () => {
    assert.equal(nearestWord('exfi', words), 'exif')
    assert.equal(nearestWord('sede', words), 'seed')
  })

  it('is none where more than a third of the letters differ', () => {
    assert.equal(nearestWord('eixt', words), undefined)
    assert.equal(nearestWord('metric', words), undefined)
    assert.equal(nearestWord('', words), undefined)
  })

  it('is the first of equally near ones', () => assert.equal(nearestWord('cap', ['cat', 'car']), 'cat'))

  it('ends a sentence, where there is one', () => {
    assert.equal(didYouMean('seet', words), '; did you mean "seed"?')
    assert.equal(didYouMean('other', words), '')
  })
})
