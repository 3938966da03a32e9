import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadReport, emptyReport, usualReport } from '../../test/support/sample-reports.ts'
import {
  bareHeadline,
  floatGroups,
  originalOf,
  otherWords,
  placementOf,
  rangeFit,
  resultOf,
  worstLayers,
} from './figures.ts'

describe('figures of a report', () => {
  it('the original is the first variant, the result the kept one, else the last', () => {
    assert.equal(originalOf(usualReport)?.name, 'float')
    assert.equal(resultOf(usualReport)?.name, 'int8 per-channel')
    assert.equal(resultOf(deadReport)?.name, 'int8')
    assert.equal(resultOf({ ...usualReport, variants: usualReport.variants.slice(0, 1) }), undefined)
    assert.equal(originalOf(emptyReport), undefined)
  })

  it('layers without a number are the worst, exact and unmeasured ones are not among them', () => {
    const names = worstLayers(deadReport.layers, 9).map((layer) => layer.name)
    assert.deepEqual(names.slice(0, 2).sort(), ['broken', 'noise'])
    assert.deepEqual(names.slice(2), ['fine'])
    assert.deepEqual(
      worstLayers(usualReport.layers, 2).map((layer) => layer.name),
      ['conv_dw_1', 'head/fc'],
    )
  })

  it('placement counts layers, and multiplications when all are known', () => {
    const share = (2_709_504 + 903_168 + 1_605_632) / (2_709_504 + 903_168 + 1_605_632 + 256_000 + 1000)
    assert.deepEqual(placementOf(usualReport), { known: 5, integer: 3, macShare: share })
    assert.deepEqual(placementOf({ layers: [{ name: 'a', op: 'Conv', parameters: 1, integer: true }] }), {
      known: 1,
      integer: 1,
    })
    assert.equal(placementOf(deadReport), undefined)
  })

  it('placement counts what multiplies beside the layers, and gives no share when some of it is unknown', () => {
    const layers = [{ name: 'a', op: 'Conv', parameters: 1, macs: 60, integer: true }]
    const share = (macs?: number) =>
      placementOf({ layers, otherProducts: [{ op: 'LSTM', count: 1, ...(macs === undefined ? {} : { macs }) }] })
        ?.macShare
    assert.equal(share(40), 0.6)
    assert.equal(share(), undefined)
    assert.equal(
      otherWords({
        otherProducts: [
          { op: 'LSTM', count: 1 },
          { op: 'MatMul', count: 12 },
        ],
      }),
      '1 LSTM, 12 MatMul',
    )
  })

  it('float layers are grouped by reason, the most frequent first', () => {
    const layer = (name: string, reason?: string) => ({
      name,
      op: 'Conv',
      parameters: 1,
      integer: false,
      ...(reason && { reason }),
    })
    const groups = floatGroups([layer('a', 'x'), layer('b'), layer('c', 'y'), layer('d', 'y')])
    assert.deepEqual(
      groups.map((group) => [group.reason, group.layers.length]),
      [
        ['y', 2],
        ['x', 1],
        ['no reason recorded', 1],
      ],
    )
  })

  it('a range fits by the shares that stick out', () => {
    const row = { tensor: 't', reason: '', low: 0, high: 4, observedLow: 1, observedHigh: 6 }
    assert.deepEqual(rangeFit(row), { below: -0.25, above: 0.5 })
    assert.equal(rangeFit({ ...row, high: 0 }), undefined)
    assert.equal(rangeFit({ tensor: 't', reason: '' }), undefined)
  })

  it('the bare headline says DEAD nowhere, so that a rendering says it once', () => {
    assert.match(bareHeadline(deadReport.verdict), /^the quantised model/)
    assert.equal(bareHeadline(usualReport.verdict), usualReport.verdict.headline)
  })
})
