import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deadReport, emptyReport, largeReport, usualReport } from '../../test/support/sample-reports.ts'
import { InputError } from '../base/index.ts'
import { readReport, renderJson } from './json.ts'
import type { Report } from './report.ts'

describe('report.json', () => {
  for (const [name, report] of Object.entries({ usualReport, deadReport, emptyReport, largeReport: largeReport(3) })) {
    it(`gives ${name} back as it was`, () => {
      assert.deepEqual(readReport(renderJson(report)), report)
    })
  }

  it('does not depend on the order in which the rows were built', () => {
    const turned = Object.fromEntries(Object.entries(usualReport).reverse())
    assert.equal(renderJson({ ...usualReport, ...turned }), renderJson(usualReport))
    const backwards: Report = readReport(JSON.stringify(turned))
    assert.equal(renderJson(backwards), renderJson(usualReport))
  })

  it('never turns an SQNR without a number into an exact match', () => {
    const text = renderJson(deadReport)
    const data: { layers: { name: string; sqnrDb: unknown }[]; outputs: unknown } = JSON.parse(text)
    const [, noise, broken, exact] = data.layers
    assert.deepEqual([noise?.sqnrDb, broken?.sqnrDb, exact?.sqnrDb], ['-Infinity', 'NaN', null])
    assert.deepEqual(data.outputs, { logits: '-Infinity', boxes: 'NaN' })
    const back = readReport(text)
    assert.deepEqual(back.outputs, { logits: -Infinity, boxes: Number.NaN })
  })

  for (const [what, text, message] of [
    ['text that is not JSON', '<html>', /^cannot read r\.json: it is not JSON/],
    ['another version', renderJson(usualReport).replace('"version": 1', '"version": 2'), /"version" is wrong/],
    ['a missing part', '{"version": 1}', /"command" is wrong \(expected string, received undefined\)/],
    ['a list', '[]', /its top level is wrong/],
    [
      'a wrong deep value',
      renderJson(usualReport).replace('"tone": "mixed"', '"tone": "fine"'),
      /"verdict\.tone" is wrong/,
    ],
  ] as const) {
    it(`refuses ${what} in one sentence`, () => {
      assert.throws(
        () => readReport(text, 'r.json'),
        (error) => error instanceof InputError && message.test(error.message) && !error.message.includes('\n'),
      )
    })
  }
})
