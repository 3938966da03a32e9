import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { differenceOf } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'

import { layerCount, layerGroups } from './describe.ts'
import { limitsOf, outcomeOf } from './limits.ts'
import { checkMarkdown } from './markdown.ts'
import type { CheckRun } from './run.ts'
import { checkWords } from './words.ts'

const median = (medianMs: number) => ({ medianMs, lowMs: medianMs, highMs: medianMs, runs: 10 })
const before = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 3x3 4->4 -> y')
const after = tinyModel('x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->4 -> Conv 1x1 4->4 -> y')
const recipe = parseRecipe('check', {
  model: 'old/m|1.onnx',
  other: 'new/m|1.onnx',
  data: 'd',
  minSqnr: 20,
  maxSize: 1,
})
const measured = {
  comparison: { samples: 64, sqnrDb: { y: 18.2 } },
  chosen: 64,
  sizeBytes: { before: 1000, after: 900 },
  latency: { before: median(1), after: median(2) },
  layers: [],
  notes: ['a note with `code`'],
}
const limits = limitsOf(recipe, { ...measured, spread: { interval: () => undefined } })
const run: CheckRun = { ...measured, limits, kept: outcomeOf(limits), difference: differenceOf(before, after) }

describe('the summary of a check', () => {
  const page = checkMarkdown(recipe, run)

  it('begins with the verdict, in one line', () => {
    const verdict = (some: Partial<CheckRun>) => checkWords(recipe, { ...run, ...some }).verdict
    assert.equal(page.split('\n')[0], '## ✖ 1 of 2 limits is broken')
    assert.equal(verdict({ kept: true, limits: limits.slice(1) }), '✔ The limit holds')
    assert.equal(verdict({ kept: true, limits: [] }), 'No limit was given')
  })

  it('has a row for each limit and each figure', () => {
    assert.match(page, /\| the SQNR of y \| at least 20\.0 dB \| 18\.2 dB \| ✖ broken \|/)
    assert.match(page, /\| the size \| at most 1\.00 times what it was \| 0\.90 times \| ✔ kept \|/)
    assert.match(page, /\| size \| 1\.0 kB \| 900 B \| 90\.0 % \|/)
    assert.match(page, /\| latency \| 1\.00 ± 0\.00 ms \| 2\.00 ± 0\.00 ms \| 2\.00× \|/)
  })

  it('tells what changed in the model, layer by layer', () => {
    assert.equal(layerCount(run.difference), '2 layers changed, 1 added')
    assert.match(page, /\| `Conv_v1` \| changed \| Conv, 4×3×3×3 \| Conv, 8×3×3×3 \|/)
    assert.match(page, /\| added \| {2}\| Conv, 4×8×3×3, weight float32, reads float32 \|/)
    assert.match(page, /- operators: Conv 2 → 3/)
  })

  it('takes nothing of a name for markup, and tells files of one name apart', () => {
    assert.match(page, /`old\/m\\\|1\.onnx` → `new\/m\\\|1\.onnx`/)
    assert.match(page, /a note with \\`code\\`/)
  })

  it('puts layers together that changed alike', () => {
    const other = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 3x3 4->4 -> y', { dtype: 'float16' })
    const [group, ...others] = layerGroups(differenceOf(before, other))
    assert.deepEqual(group?.names, ['Conv_v1', 'Conv_y'])
    assert.equal(group?.after, 'Conv, weight float16, reads float16')
    assert.equal(others.length, 0)
  })
})
