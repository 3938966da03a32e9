import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertGolden } from '../../test/support/golden-file.ts'
import { deadReport, emptyReport, techniquesReport, usualReport } from '../../test/support/sample-reports.ts'
import { renderMarkdown } from './markdown.ts'

describe('markdown', () => {
  it('tells a usual run', () => assertGolden('usual.report.md', renderMarkdown(usualReport)))

  it('tells a dead run', () => assertGolden('dead.report.md', renderMarkdown(deadReport)))

  it('prints a run with techniques', () => assertGolden('techniques.report.md', renderMarkdown(techniquesReport)))

  it('leaves out sections and columns without content', () => {
    const text = renderMarkdown(emptyReport)
    assert.doesNotMatch(text, /## (Measured|Layers|Steps|Notes|Files)/)
    assert.doesNotMatch(renderMarkdown(deadReport), /Latency|Agreement \| KL/)
  })

  it('warns of a dead model above everything else', () => {
    const lines = renderMarkdown(deadReport).split('\n')
    assert.match(lines[2] ?? '', /^> \*\*DEAD: the quantised model/)
    assert.equal(lines[4], '> **Do not use this model.**')
  })

  it('reads no name as Markdown or HTML', () => {
    const name = 'a|b`c``d <script>*x*\n# head'
    const text = renderMarkdown({
      ...usualReport,
      title: name,
      notes: [name],
      layers: [{ name, op: name, parameters: 1, sqnrDb: 1 }],
    })
    assert.match(text, /^# a\\\|b\\`c\\`\\`d &lt;script&gt;\\\*x\\\* # head\n/)
    assert.match(text, /\| ``` a\\\|b`c``d <script>\*x\* # head ``` \|/)
    assert.ok(!text.includes('\n# head'))
  })

  it('closes a fence that holds backticks', () => {
    const text = renderMarkdown({ ...usualReport, commandLine: 'onnxpress quantize "```"' })
    assert.match(text, /\n````sh\nonnxpress quantize "```"\n````\n/)
  })
})
