import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sparkline } from './sparkline.ts'

describe('the curve of a training', () => {
  it('is drawn from the losses of its events, whatever they say', () => {
    const draw = sparkline()
    assert.equal(draw({ message: 'loss 3.2' }), 'loss 3.2')
    assert.equal(draw({ message: 'begins', values: { loss: 1 } }), '▁ begins')
    assert.equal(draw({ message: 'falls', values: { loss: 0 } }), '█▁ falls')
    assert.equal(draw({ message: 'breaks', values: { loss: Number.NaN } }), 'breaks')
  })

  it('stays short: older losses are thinned out', () => {
    const draw = sparkline()
    const lengths = Array.from({ length: 100 }, (_, i) => draw({ message: '', values: { loss: 100 - i } }).length)
    assert.ok(Math.max(...lengths) <= 17)
  })
})
