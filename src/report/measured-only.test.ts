import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  deadReport,
  emptyReport,
  largeReport,
  techniquesReport,
  usualReport,
} from '../../test/support/sample-reports.ts'
import { InputError } from '../base/index.ts'
import { measuredOnly } from './measured-only.ts'
import type { LayerRow, Report, VariantRow } from './report.ts'

const withVariant = (row: Omit<VariantRow, 'name'>): VariantRow | undefined =>
  measuredOnly({ ...emptyReport, variants: [{ name: 'v', ...row }] }).variants[0]

const withLayer = (row: Partial<LayerRow>): LayerRow | undefined =>
  measuredOnly({ ...emptyReport, layers: [{ name: 'l', op: 'Conv', parameters: 1, ...row }] }).layers[0]

describe('measured only', () => {
  it('leaves a report of finite numbers as it is', () => {
    for (const report of [usualReport, emptyReport, techniquesReport, largeReport(2)])
      assert.deepEqual(measuredOnly(report), report)
  })

  it('takes figures that are not numbers for not measured', () => {
    assert.deepEqual(withVariant({ latencyMs: Number.NaN, kl: Infinity, sizeBytes: 4 }), { name: 'v', sizeBytes: 4 })
  })

  it('keeps an SQNR that is not a number: it says that the layer is dead', () => {
    assert.deepEqual(measuredOnly(deadReport), deadReport)
  })

  it('drops a metric whose value or interval is not a number, but only the difference when that is none', () => {
    const interval = { low: 0, high: 1 }
    const metric = { name: 'top1', value: 0.5, interval, samples: 2 }
    assert.deepEqual(withVariant({ metric: { ...metric, value: Number.NaN } }), { name: 'v' })
    assert.deepEqual(withVariant({ metric: { ...metric, interval: { low: Number.NaN, high: 1 } } }), { name: 'v' })
    const difference = { value: 0, interval: { low: -Infinity, high: 1 } }
    assert.deepEqual(withVariant({ metric: { ...metric, difference } }), { name: 'v', metric })
  })

  it('drops channels and histograms with a hole as a whole', () => {
    const channels = { min: [0, Number.NaN], mean: [0, 0], max: [1, 1], bucketed: 1 }
    assert.deepEqual(withLayer({ channels }), { name: 'l', op: 'Conv', parameters: 1 })
    const row = { tensor: 't', reason: 'r', histogram: { from: -Infinity, to: 1, counts: [1] } }
    assert.deepEqual(measuredOnly({ ...emptyReport, activations: [row] }).activations, [{ tensor: 't', reason: 'r' }])
  })

  it('names the place of a value that it cannot do without', () => {
    const broken: Report = { ...emptyReport, layers: [{ name: 'l', op: 'Conv', parameters: Number.NaN }] }
    assert.throws(
      () => measuredOnly(broken),
      (error) => error instanceof InputError && /"layers\.0\.parameters"/.test(error.message),
    )
  })
})
