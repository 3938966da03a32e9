import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { techniquesReport } from '../../test/support/sample-reports.ts'
import { repairSection } from './html/repairs.ts'
import { repairOf, repairsOf } from './repair.ts'
import type { LayerRow, Report } from './report.ts'

const layer = (name: string, naiveSqnrDb: number | undefined, sqnrDb: number | null | undefined): LayerRow => ({
  name,
  op: 'Conv',
  parameters: 1,
  ...(naiveSqnrDb === undefined ? {} : { naiveSqnrDb }),
  ...(sqnrDb === undefined ? {} : { sqnrDb }),
})
const shown = (layers: readonly LayerRow[]): string =>
  repairSection({ ...techniquesReport, layers } satisfies Report)?.text ?? ''

describe('repairs', () => {
  it('call a layer repaired when half of its noise is gone, and hurt while a tenth of the signal is noise', () => {
    assert.equal(repairOf(layer('a', 12, 15)), 'repaired')
    assert.equal(repairOf(layer('a', 12, 14.9)), 'fine')
    assert.equal(repairOf(layer('a', 2, 9.9)), 'hurt')
    assert.equal(repairOf(layer('a', 2, Number.NaN)), 'hurt')
    assert.equal(repairOf(layer('a', 30, null)), 'repaired')
    assert.equal(repairOf(layer('a', undefined, 30)), 'fine')
    assert.equal(repairOf(layer('a', 30, undefined)), undefined)
  })

  it('name the layers that hurt, the worst first', () => {
    const layers = [
      layer('mild', 9, 9.5),
      layer('good', 3, 20),
      layer('worst', -2, 4),
      layer('unmeasured', 1, undefined),
    ]
    const { repaired, hurt, eased, measured } = repairsOf(layers) ?? {}
    assert.deepEqual(
      [repaired, hurt].map((list) => list?.map(({ name }) => name)),
      [['good'], ['worst', 'mild']],
    )
    assert.deepEqual([eased, measured], [1, 3])
    const text = shown(layers)
    assert.match(text, /1 of 3 layers repaired, 2 still hurt, 1 of them with less than half of the noise they had/)
    assert.match(text, /href="#layer-3".*worst.*−2\.0 dB → 4\.0 dB.*href="#layer-1".*mild/s)
  })

  it('are a lane each, and say nothing of repair where there was nothing to compare with', () => {
    const text = shown([layer('a', undefined, 30), layer('b', undefined, 5)])
    assert.match(text, /1 of 2 layers still hurts/)
    assert.doesNotMatch(text, /repaired</)
    assert.equal(shown([layer('a', 3, undefined)]), '')
  })
})
