import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { assertWellFormed } from '../../test/support/assert-well-formed.ts'
import {
  analysis,
  deadReport,
  emptyReport,
  encoderReport,
  largeReport,
  techniquesReport,
  usualReport,
} from '../../test/support/sample-reports.ts'
import { contentPolicy, scriptHash, styleHash } from './html/policy.ts'
import { pageScript } from './html/script.ts'
import { pageStyle } from './html/style.ts'
import { renderHtml } from './html.ts'
import { readReport, renderJson } from './json.ts'
import { renderMarkdown } from './markdown.ts'
import type { Report } from './report.ts'

/** A report in which every text is an attack. */
function hostile(report: Report): Report {
  const attack = (text: string): string =>
    `</style></script><script>alert(1)</script>"'&<img src=x onerror=alert(1)> ${text}`
  return {
    ...report,
    title: attack(report.title),
    command: attack(report.command),
    verdict: { ...report.verdict, headline: attack('h'), advice: [attack('a')] },
    ladder: (report.ladder ?? []).map((row) => ({ ...row, name: attack(row.name), reason: attack('r') })),
    facts: [{ label: attack('l'), value: attack('v') }],
    variants: report.variants.map((row) => ({ ...row, name: attack(row.name) })),
    outputs: { [attack('o')]: 3 },
    steps: report.steps.map((step) => ({
      ...step,
      name: attack(step.name),
      changes: [attack('c')],
      skipped: [attack('s')],
    })),
    layers: report.layers.map((layer) => ({
      ...layer,
      name: attack(layer.name),
      op: attack('Conv'),
      kernel: attack('k'),
      reason: attack('r'),
    })),
    activations: report.activations.map((row) => ({ ...row, tensor: attack(row.tensor), reason: attack('r') })),
    analysis: {
      ...analysis,
      layers: analysis.layers.map((layer) => ({
        ...layer,
        ...{
          name: attack(layer.name),
          op: attack('Conv'),
          cause: attack('c'),
          detail: attack('d'),
          remedy: attack('r'),
        },
        outputs: { [attack('o')]: 3, [attack('p')]: 4 },
      })),
    },
    notes: [attack('n')],
    files: [{ label: attack('l'), path: attack('p') }],
    environment: { [attack('e')]: attack('v') },
    recipe: { model: attack('m') },
    commandLine: attack('c'),
  }
}

const visible = (html: string): string => html.replace(/<(style|script)>.*?<\/\1>/gs, '')

/** Fails without printing the page. */
function assertPresent(html: string, pattern: RegExp): void {
  assert.ok(pattern.test(html), `${pattern} is nowhere in the page`)
}

/** Says only what was found, not the whole page. */
function assertAbsent(text: string, pattern: RegExp): void {
  assert.equal(pattern.exec(text)?.[0], undefined)
}

describe('html report', () => {
  for (const [name, report] of Object.entries({
    usualReport,
    deadReport,
    emptyReport,
    encoderReport,
    hostile: hostile(usualReport),
  })) {
    it(`of ${name} is well-formed`, () => assertWellFormed(renderHtml(report)))

    it(`of ${name} loads nothing`, () => {
      const html = renderHtml(report)
      const tags = visible(html).match(/<[a-z][^>]*>/g) ?? []
      for (const tag of tags) {
        assertAbsent(tag, /^<(link|iframe|img|object|embed|base|form|video|audio|image|use)\b/)
        assertAbsent(tag.replace(/"[^"]*"/g, '""'), /\s(src|srcset|style|action|data|on\w+)=/)
        assertAbsent(tag, /\shref="(?!#)/)
      }
      assertAbsent(pageStyle + pageScript, /https?:|url\(|@import|fetch|import\(/)
      assert.equal(html.match(/<(style|script)[ >]/g)?.length, 2)
    })
  }

  it('reads no name from a model as markup', () => {
    const html = renderHtml({ ...usualReport, layers: [{ name: '<script>', op: 'Conv', parameters: 1, sqnrDb: 3 }] })
    assert.match(visible(html), /<code class="name">&lt;script&gt;<\/code>/)
  })

  it('allows nothing but its own style and script, by their hashes', () => {
    const hash = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`
    assert.equal(styleHash, hash(pageStyle), 'put this hash of the style into html/policy.ts')
    assert.equal(scriptHash, hash(pageScript), 'put this hash of the script into html/policy.ts')
    const html = renderHtml(usualReport)
    assert.ok(html.includes(`<style>${pageStyle}</style>`) && html.includes(`<script>${pageScript}</script>`))
    assert.match(contentPolicy, /^default-src 'none'; /)
  })

  it('stays below 1.2 MB for 100 layers of 1,024 channels, every one with its pictures before and after', () => {
    const html = renderHtml(largeReport(100))
    const bytes = new TextEncoder().encode(html).length
    assert.ok(bytes < 1_200_000, `${bytes} bytes`)
    assert.equal(new Set(html.match(/aria-label="Weight ranges of [^:]*/g)).size, 100)
  })

  it('is the same for the same report, also after a round trip through JSON', () => {
    for (const report of [usualReport, deadReport, techniquesReport, largeReport(20)]) {
      assert.equal(renderHtml(readReport(renderJson(report))), renderHtml(report))
    }
  })

  it('says of a dead model, first and loudly, not to use it', () => {
    const html = visible(renderHtml(deadReport))
    assert.match(
      html,
      /<main><section class="verdict dead" id="verdict"><p class="tone">✕ Dead model – do not use it<\/p>/,
    )
    assert.match(html, /<h1>the quantised model no longer does its job/)
    assertAbsent(visible(renderHtml(usualReport)), /[Dd]ead/)
  })

  it('never shows an SQNR without a number as exact', () => {
    const html = visible(renderHtml({ ...deadReport, layers: deadReport.layers.slice(0, 3) }))
    assertAbsent(html, />exact</)
    assert.match(html, />−∞ dB</)
    assert.match(html, />not a number</)
    assertAbsent(html, /NaN|Infinity/)
  })

  it('sorts what is not a number below every figure and exact above', () => {
    const html = renderHtml(deadReport)
    const keys = [...html.matchAll(/<tr id="layer-\d">.*?<\/tr>/g)].map(([row]) =>
      Number(/data-v="([^"]*)">[^<]*(dB|exact|number)/.exec(row)?.[1]),
    )
    const [fine = 0, noise = 0, broken = 0, exact = 0] = keys
    assert.ok(noise < fine && broken < fine && fine < exact, keys.join(' '))
  })

  it('has a section for everything that was measured, and none for what was not', () => {
    const sections = (report: Report): (string | undefined)[] =>
      [...renderHtml(report).matchAll(/<section id="(\w+)"><h2>/g)].map((match) => match[1])
    const all = ['measured', 'depth', 'layers', 'weights', 'activations', 'steps', 'notes', 'repeat']
    assert.deepEqual(sections(usualReport), all)
    assert.deepEqual(sections(emptyReport), ['repeat'])
    assert.deepEqual(sections(techniquesReport), ['measured', 'techniques', ...all.slice(1)])
  })

  it('shows the techniques with every figure, and why one was dropped', () => {
    const html = visible(renderHtml(techniquesReport))
    const row = /<tr class="technique dropped">(.*?)<\/tr>/.exec(html)?.[1] ?? ''
    assert.match(row, /absorbed <span class="tag no">✕ not kept.*15\.4 dB.*82\.0 %.*0\.09.*SQNR fell by 1\.2 dB/)
    assert.equal(html.match(/<tr class="technique( dropped)?">/g)?.length, 5)
  })

  it('shows weights before and after: outliers, dead channels, five numbers', () => {
    const html = visible(renderHtml(techniquesReport))
    assertPresent(html, /8 channels, −2\.2 … 2\.14, widest channel \d\.\d× the median, was 3\d×, 1 stand out, dead: 5/)
    assertPresent(html, /1,024 channels/)
    assertPresent(html, /<td>before<\/td>.*<td>after<\/td>/)
    assertPresent(html, /<title>channel 3: 1\.9× the median<\/title>/)
  })

  it('proves each rewrite: bound, on samples, on random inputs', () => {
    const html = visible(renderHtml(techniquesReport))
    const rows = [
      ...(/Proof that the function is kept(.*?)<\/table>/.exec(html)?.[1] ?? '').matchAll(/<tr><td>(.*?)<\/tr>/g),
    ]
    assert.match(rows[0]?.[1] ?? '', /^fold-batch-norm.*exact.*80\.0 dB.*131\.2 dB.*>exact<.*✓ kept/)
    assert.match(rows[1]?.[1] ?? '', /^equalize.*bounded.*38\.0 dB.*44\.0 dB.*31\.5 dB.*✕ reverted/)
  })

  it('draws the naive model along the depth, and the mean shift before and after', () => {
    const html = visible(renderHtml(techniquesReport))
    assertPresent(html, />naive<\/text>/)
    assertPresent(html, /The shift became smaller in 5 of 5 layers/)
    assertAbsent(visible(renderHtml(usualReport)), /naive|Mean shift/)
  })

  it('shows an encoder by its embeddings, block by block, with the channels that go apart and the size by part', () => {
    const page = renderHtml(encoderReport)
    assert.match(page, /0\.9988<\/b> cosine/)
    for (const words of ['Embeddings against the original', 'Block by block', 'Channels that layers read'])
      assert.ok(page.includes(words), words)
    assert.match(page, /Ranges of the 4 channels that 1\/query reads; the widest is 24× the middle one, 2 goes apart/)
    assert.match(page, /embedding: 47\.7 MB → 12\.0 MB/)
    assert.match(renderMarkdown(encoderReport), /Cosine/)
    assert.doesNotMatch(renderHtml(usualReport), /Block by block|Channels that layers read|Size by part/)
  })

  it('links only to places that exist', () => {
    const html = renderHtml(largeReport(30))
    for (const [, id] of html.matchAll(/href="#([^"]*)"/g)) assert.ok(html.includes(` id="${id}"`), id)
  })

  it('tells that a long table scrolls', () => {
    assert.match(
      renderHtml(largeReport(41)),
      /<p class="rows">41 rows; the table scrolls\.<\/p><div class="scroll tall"/,
    )
    assertAbsent(renderHtml(usualReport), /class="rows"/)
  })

  it('tells steps that were kept, not kept, and without anything to do apart', () => {
    const html = renderHtml(usualReport)
    assert.match(html, /<b>fold-batch-norm<\/b> <span class="tag yes">✓ kept/)
    assert.match(html, /<b>equalize<\/b> <span class="tag no">✕ not kept/)
    assert.match(html, /Nothing to do for: name-nodes\./)
  })
})
