import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertGolden } from '../../test/support/golden-file.ts'
import { deadReport, emptyReport, techniquesReport, usualReport } from '../../test/support/sample-reports.ts'
import { renderSummary } from './summary.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI codes begin with one
const ansi = /\u001b\[[\d;]*m/g

describe('summary', () => {
  it('tells a usual run in about ten lines', () => assertGolden('usual.summary.txt', `${renderSummary(usualReport)}\n`))

  it('tells a dead run loudly', () => assertGolden('dead.summary.txt', `${renderSummary(deadReport)}\n`))

  it('prints the techniques as aligned columns', () => {
    assertGolden('techniques.summary.txt', `${renderSummary(techniquesReport, { width: 110 })}\n`)
    const lines = renderSummary(techniquesReport, { width: 110 })
      .split('\n')
      .filter((line) => / [✓✕] /.test(line))
    assert.equal(lines.length, 5)
    assert.equal(new Set(lines.map((line) => line.indexOf('dB'))).size, 1)
  })

  it('begins and ends with the death of a dead model, said once', () => {
    const lines = renderSummary(deadReport).split('\n')
    assert.match(lines[0] ?? '', /^✖ DEAD: the quantised/)
    assert.equal(lines.at(-1), 'Do not use this model.')
  })

  it('says nothing that was not measured', () => {
    assert.equal(renderSummary(emptyReport), '● nothing was measured')
  })

  it('names layers without a number as the worst, never as exact', () => {
    const text = renderSummary(deadReport)
    assert.match(text, /noise −∞ dB/)
    assert.match(text, /broken not a number/)
    assert.doesNotMatch(text, /exact/)
  })

  for (const width of [40, 60, 80, 120]) {
    it(`fits into ${width} columns`, () => {
      for (const report of [usualReport, deadReport, techniquesReport]) {
        for (const line of renderSummary({ ...report, files: [] }, { width }).split('\n'))
          assert.ok(line.length <= width, line)
      }
    })
  }

  it('keeps a path in one piece, so that it can be copied', () => {
    const path = `/a/very/${'long/'.repeat(30)}model.onnx`
    assert.ok(renderSummary({ ...usualReport, files: [{ label: 'model', path }] }).includes(path))
  })

  it('colours change nothing but colours', () => {
    const colours = renderSummary(usualReport, { colour: true })
    assert.match(colours, ansi)
    assert.equal(colours.replace(ansi, ''), renderSummary(usualReport))
  })

  it('lets no name from a model steer the terminal or forge a line', () => {
    const name = 'a\u001b[2J\nsmaller yes'
    const text = renderSummary({ ...usualReport, layers: [{ name, op: 'Conv', parameters: 1, sqnrDb: 3 }] })
    assert.ok(!text.includes('\u001b'))
    assert.match(text, / {2}worst {8}a\ufffd\[2J smaller yes 3\.0 dB/)
  })
})
