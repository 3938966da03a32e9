import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { shareSamples } from './share-samples.ts'

describe('sharing out samples', () => {
  it('always keeps a share from every fit, and no sample is on both sides', () => {
    for (const total of [2, 3, 4, 5, 8, 64, 65, 1000, 9000])
      for (const wanted of [1, 4, 64, 4096, total]) {
        const { fit, report } = shareSamples(total, wanted)
        assert.equal(new Set([...fit, ...report]).size, total, `${total}, ${wanted}`)
        assert.equal(fit.length + report.length, total)
        assert.ok(fit.length >= 1 && fit.length <= wanted)
        assert.ok(report.length >= Math.min(1000, Math.max(1, Math.floor(total / 4))), `${report.length} of ${total}`)
      }
  })

  it('takes evenly spaced ones: of eight every fourth is kept', () => {
    assert.deepEqual(shareSamples(8, 8), { fit: [0, 2, 3, 4, 6, 7], report: [1, 5] })
    assert.deepEqual(shareSamples(100, 4).fit, [12, 37, 62, 87])
  })

  it('fits to all of them where others are scored', () => {
    assert.deepEqual(shareSamples(3, 8, { separate: true }), { fit: [0, 1, 2], report: [] })
  })

  it('a single sample is fitted to and scored', () => {
    assert.deepEqual(shareSamples(1, 64), { fit: [0], report: [0] })
  })

  it('a command that goes on from another keeps what that one kept', () => {
    assert.deepEqual(shareSamples(6, 9, { heldBack: [2, 5] }), { fit: [0, 1, 3, 4], report: [2, 5] })
  })
})
