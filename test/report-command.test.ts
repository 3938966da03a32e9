import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { renderHtml, renderJson, renderMarkdown, renderSummary } from '../src/report/index.ts'
import { built } from './support/built.ts'
import { commandLine } from './support/command-line.ts'
import { techniquesReport } from './support/sample-reports.ts'

const { run, close } = commandLine()

describe('onnxpress report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-report-'))
  before(async () => {
    await built()
    writeFileSync(join(folder, 'report.json'), renderJson(techniquesReport))
  })
  after(() => {
    close()
    rmSync(folder, { recursive: true })
  })

  it('prints the summary of a run folder, or of its report.json', async () => {
    const expected = `${renderSummary(techniquesReport, { width: 100 })}\n`
    assert.equal((await run('report', folder)).stdout, expected)
    assert.equal((await run('report', join(folder, 'report.json'))).stdout, expected)
  })

  it('writes the same page as the run did, as HTML or Markdown', async () => {
    for (const [name, render] of [
      ['page.html', renderHtml],
      ['page.md', renderMarkdown],
    ] as const) {
      const file = join(folder, name)
      const { status, stdout } = await run('report', folder, '-o', file)
      assert.equal(status, 0)
      assert.equal(stdout, `written to ${file}\n`)
      assert.equal(readFileSync(file, 'utf8'), render(techniquesReport))
    }
  })

  it('prints the report as one JSON object', async () => {
    const { stdout } = await run('report', folder, '--json')
    assert.equal(stdout.split('\n').length, 2)
    assert.deepEqual(JSON.parse(stdout), JSON.parse(renderJson(techniquesReport)))
  })

  it('refuses an output of another kind with exit code 2, and writes nothing', async () => {
    const file = join(folder, 'page.pdf')
    const { status, stderr } = await run('report', folder, '-o', file)
    assert.equal(status, 2)
    assert.match(stderr, /^cannot render a report as .*page\.pdf: the name must end in \.html or \.md\n$/)
    assert.equal(existsSync(file), false)
  })

  it('says with exit code 3 that a run has no report, or that it is none', async () => {
    const missing = await run('report', join(folder, 'nothing'))
    assert.equal(missing.status, 3)
    assert.match(
      missing.stderr,
      /^cannot read .*report\.json: there is no such file; name the folder of a finished run/,
    )
    const broken = join(folder, 'broken.json')
    writeFileSync(broken, '{"version":1}')
    const { status, stderr } = await run('report', broken, '-o', join(folder, 'broken.html'))
    assert.equal(status, 3)
    assert.match(stderr, /^cannot read .*broken\.json as a report of version 1/)
    assert.ok(!readdirSync(folder).includes('broken.html'))
  })
})
