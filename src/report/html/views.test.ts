import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Markup, plain } from '../../../test/support/page-text.ts'
import { emptyReport } from '../../../test/support/sample-reports.ts'
import type { ChannelRows, InputChannelsRow, LayerRow, Report, VariantRow, VerdictPoint } from '../report.ts'
import { blockTable } from './blocks.ts'
import { inputChannelSection } from './input-channels.ts'
import { layerSection } from './layers.ts'
import { factList, longName } from './parts.ts'
import { repairSection } from './repairs.ts'
import { shiftFigure } from './shift.ts'
import { verdictSection } from './verdict.ts'
import { weightRow } from './weight-row.ts'
import { weightSection } from './weights.ts'

const textOf = (section: Markup | undefined): string => (section ? plain(section.text) : '')
const report = (fields: Partial<Report>): Report => ({ ...emptyReport, layers: [], ...fields })
const layer = (name: string, more: Partial<LayerRow> = {}): LayerRow => ({ name, op: 'Conv', parameters: 10, ...more })
const layersOf = (...layers: LayerRow[]) => report({ layers })
/** Texts of the cells of the first table, row by row. */
const cellsOf = (section: Markup | undefined): string[][] =>
  [...(/<tbody>.*?<\/tbody>/s.exec(section?.text ?? '')?.[0] ?? '').matchAll(/<tr.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell = '']) => plain(cell)),
  )

describe('the first screen', () => {
  const point = (question: VerdictPoint['question'], answer: VerdictPoint['answer'] = 'yes'): VerdictPoint => ({
    question,
    answer,
    text: `about ${question}`,
  })
  /** The big figure of the only card. */
  function heroOf(asked: VerdictPoint, before: Partial<VariantRow>, after: Partial<VariantRow>): string {
    const verdict = { headline: 'h', tone: 'good', points: [asked], advice: [] } as const
    const variants = [
      { name: 'float', ...before },
      { name: 'int8', kept: true, ...after },
    ]
    return textOf({
      text: /<p class="hero">.*?<\/p>/s.exec(verdictSection(report({ verdict, variants })).text)?.[0] ?? '',
    } as Markup)
  }

  it('leads with the factor of bytes and of time, whichever way it goes', () => {
    assert.equal(heroOf(point('smaller'), { sizeBytes: 4000 }, { sizeBytes: 1000 }), '4.0× smaller')
    assert.equal(heroOf(point('smaller', 'no'), { sizeBytes: 1000 }, { sizeBytes: 1500 }), '1.5× larger')
    assert.equal(heroOf(point('faster'), { latencyMs: 3 }, { latencyMs: 2 }), '1.5× faster')
    assert.equal(heroOf(point('faster', 'no'), { latencyMs: 2 }, { latencyMs: 3 }), '1.5× slower')
  })

  it('leads with the metric, else with what is nearest to it', () => {
    const metric = (value: number) => ({ name: 'top1', value, interval: { low: value, high: value }, samples: 9 })
    const asked = point('as accurate')
    const everything = {
      sqnrDb: 30,
      agreement: 0.97,
      similarity: { pooled: { value: 0.998, interval: { low: 0.99, high: 1 }, samples: 9 } },
    }
    assert.equal(heroOf(asked, { metric: metric(0.58) }, { ...everything, metric: metric(0.57) }), '−1.0 points top1')
    const paired = { ...metric(0.57), difference: { value: 0.002, interval: { low: 0, high: 0.01 } } }
    assert.equal(heroOf(asked, { metric: metric(0.58) }, { ...everything, metric: paired }), '+0.2 points top1')
    assert.equal(heroOf(asked, {}, everything), '0.9980 cosine')
    assert.equal(heroOf(asked, {}, { sqnrDb: 30, agreement: 0.97 }), '97.0 % same answers')
    assert.equal(heroOf(asked, {}, { sqnrDb: null }), 'exact SQNR')
  })

  it('leads with nothing where nothing was measured', () => {
    assert.equal(heroOf(point('faster', 'not measured'), { latencyMs: 3 }, { latencyMs: 2 }), '')
    assert.equal(heroOf(point('faster'), { latencyMs: 3 }, {}), '')
    assert.equal(heroOf(point('smaller'), { sizeBytes: 0 }, { sizeBytes: 10 }), '')
    assert.equal(heroOf(point('as accurate'), {}, {}), '')
  })

  it('asks in capitals, answers with a mark, and gives advice and facts only where there are some', () => {
    const verdict = { headline: 'h', tone: 'bad', points: [point('smaller', 'unclear')], advice: ['do this'] } as const
    const section = verdictSection(report({ verdict, facts: [{ label: 'model', value: 'm.onnx' }] }))
    assert.match(
      textOf(section),
      /✕ Bad result .* Smaller\? ~ Unclear about smaller .*do this.*At a glance model m\.onnx/,
    )
    const bare = verdictSection(report({ verdict: { ...verdict, advice: [] }, facts: [] }))
    assert.doesNotMatch(textOf(bare), /What to do next|At a glance/)
  })
})

describe('layers that were repaired or still hurt', () => {
  const headline = (...layers: LayerRow[]) =>
    /<h2>(.*?)<\/h2>/.exec(repairSection(layersOf(...layers))?.text ?? '')?.[1]
  const noisy = (name: string, naiveSqnrDb: number, sqnrDb: number) => layer(name, { naiveSqnrDb, sqnrDb })

  it('are counted in a sentence', () => {
    assert.equal(headline(noisy('a', 5, 20), noisy('b', 19, 20)), '1 of 2 layers repaired, none still hurts')
    assert.equal(headline(noisy('a', 5, 20), noisy('b', 8, 9)), '1 of 2 layers repaired, 1 still hurts')
    assert.equal(
      headline(noisy('a', 2, 6)),
      '0 of 1 layer repaired, 1 still hurts, though with less than half of the noise it had',
    )
    assert.equal(
      headline(noisy('a', 2, 6), noisy('b', 3, 7)),
      '0 of 2 layers repaired, 2 still hurt, all with less than half of the noise they had',
    )
    assert.equal(
      headline(noisy('a', 2, 6), noisy('b', 8, 9)),
      '0 of 2 layers repaired, 2 still hurt, 1 of them with less than half of the noise they had',
    )
  })

  it('are named, the worst first, five at most', () => {
    const hurt = [8, 3, 9, 1, 7, 6, 2].map((db) => layer(`layer ${db}`, { sqnrDb: db }))
    const section = repairSection(layersOf(...hurt))
    assert.equal(headline(...hurt), '7 of 7 layers still hurt')
    const named = [...(section?.text ?? '').matchAll(/href="#layer-(\d)"/g)].map(([, row]) => Number(row))
    assert.deepEqual(named, [4, 7, 2, 6, 5])
    assert.match(textOf(section), /SQNR: .* 2 more/)
  })

  it('say nothing where no layer was measured', () => assert.equal(repairSection(layersOf(layer('a'))), undefined))
})

describe('the shift of means', () => {
  it('is counted where it became smaller', () => {
    const shifted = (before: number, after: number) => layer(`${before}`, { meanShift: { before, after } })
    const figure = shiftFigure(layersOf(shifted(0.2, 0.01), shifted(0.1, 0.1), layer('none'), shifted(0.01, 0.02)))
    assert.match(textOf(figure), /The shift became smaller in 1 of 3 layers\./)
    assert.match(figure?.text ?? '', /<title>1 0.2: 20.0 % before, 1.0 % after<\/title>/)
    assert.equal(shiftFigure(layersOf(layer('none'))), undefined)
  })
})

describe('the table of layers', () => {
  it('has an anchor a row, and says what runs where and why', () => {
    const section = layerSection(
      layersOf(
        layer('a', { integer: true, kernel: 'QLinearConv' }),
        layer('b', { integer: false, reason: 'excluded' }),
        layer('c'),
      ),
    )
    assert.deepEqual(
      [...(section?.text ?? '').matchAll(/<tr id="layer-(\d)"/g)].map(([, row]) => row),
      ['1', '2', '3'],
    )
    const runs = cellsOf(section).map((row) => row[3])
    assert.deepEqual(runs, ['● integer QLinearConv', '☐ float excluded', '–'])
    assert.equal(layerSection(report({})), undefined)
  })
})

describe('a transformer block by block', () => {
  it('has the worst layer of attention and of the rest, and counts what runs in integers', () => {
    const part = (block: number, name: string, sqnrDb: number | null, more: Partial<LayerRow> = {}) =>
      layer(`${name} ${block}`, { block, part: name, sqnrDb, integer: true, ...more })
    const section = blockTable(
      layersOf(
        layer('embedding'),
        part(2, 'attention', 18),
        part(1, 'attention', null),
        part(1, 'attention', 31, { integer: false, parameters: 990 }),
        part(1, 'feed-forward', 25),
      ),
    )
    assert.deepEqual(cellsOf(section), [
      ['1', '31.0 dB', '25.0 dB', '3', '2 of 3', '1.01 k'],
      ['2', '18.0 dB', '–', '1', '1 of 1', '10'],
    ])
    assert.match(textOf(section), / 1 layer stands outside of the blocks\./)
    assert.equal(blockTable(layersOf(layer('a'))), undefined)
  })
})

describe('channels of what layers read', () => {
  const row = (apart: readonly number[], layers: readonly string[] = ['a']): InputChannelsRow => ({
    ...{ value: 'x', layers, channels: 9, peak: 12.3, bucketed: 1, apart },
    min: Array.from({ length: 9 }, () => -1),
    max: Array.from({ length: 9 }, (_, i) => i),
  })
  const section = (...inputChannels: InputChannelsRow[]) => inputChannelSection(report({ inputChannels }))

  it('are named where they go apart, six at most', () => {
    assert.deepEqual(cellsOf(section(row([1, 2, 3, 4, 5, 6, 7, 8]), row([], ['b', 'c', 'd']))), [
      ['a', '9', '12×', '1, 2, 3, 4, 5, 6 and 2 more'],
      ['b and 2 more layers', '9', '12×', 'none'],
    ])
  })

  it('are told apart in words, too', () => {
    assert.match(section(row([8]))?.text ?? '', /the widest is 12× the middle one, 8 goes apart\./)
    assert.match(section(row([7, 8]))?.text ?? '', /7, 8 go apart\./)
    assert.match(section(row([]))?.text ?? '', /none goes apart\./)
    assert.doesNotMatch(textOf(section(row([]))), /Channels with a number/)
    assert.equal(section(), undefined)
  })
})

describe('weights channel by channel', () => {
  const channels = (...widths: number[]): ChannelRows => ({
    min: widths.map((width) => -width / 2),
    mean: widths.map(() => 0),
    max: widths.map((width) => width / 2),
    bucketed: 1,
  })

  it('begin with the layer that lost most, then by spread; more than six are small', () => {
    const layers = Array.from({ length: 8 }, (_, i) =>
      layer(`layer ${i}`, { channels: channels(1, 1, 1, 1), rangeSpread: i, ...(i < 2 ? { sqnrDb: 20 - i } : {}) }),
    )
    const section = weightSection(layersOf(...layers))
    const named = [...(section?.text ?? '').matchAll(/<figcaption>\s*<a href="#layer-(\d)"/g)].map(
      ([, row]) => Number(row) - 1,
    )
    // Of equal rank, the wider spread first; the two left over in their own order.
    assert.deepEqual(named.slice(0, 2), [1, 0])
    assert.deepEqual(named.slice(2, 6), [7, 6, 5, 4])
    assert.deepEqual(named.slice(6), [2, 3])
    assert.match(textOf(section), /2 more layers/)
  })

  it('have a row where something stands out or changed', () => {
    const section = weightSection(
      layersOf(
        layer('even', { channels: channels(1, 2, 1, 2) }),
        layer('outlier', { channels: channels(1, 1.1, 0.9, 1, 50) }),
        layer('changed', { channels: channels(1, 4, 1, 1), channelsAfter: channels(1, 1, 1, 1) }),
        layer('dead', { sqnrDb: 3, channels: channels(1, 1, 1, 0) }),
      ),
    )
    const rows = cellsOf(section)
    assert.deepEqual(
      rows.map(([, name]) => name),
      ['outlier', 'changed', 'dead'],
    )
    assert.match(textOf(section), /× marks dead ones/)
    assert.deepEqual(rows[1]?.slice(3, 5), ['4.0×', '1.0×'])
  })

  it('are what they are now, and before where that was something else', () => {
    const [only] = weightRow(layer('a', { channels: channels(1, 2) }), 3)
    assert.deepEqual([only?.index, only?.now.max, only?.before], [3, [0.5, 1], undefined])
    const [row] = weightRow(layer('a', { channels: channels(1, 2), channelsAfter: channels(1, 1) }), 0)
    assert.deepEqual(
      [row?.now.max, row?.before?.max],
      [
        [0.5, 0.5],
        [0.5, 1],
      ],
    )
    assert.deepEqual(weightRow(layer('a'), 0), [])
  })
})

describe('small parts', () => {
  it('break long names behind separators, but not into crumbs, and lose nothing', () => {
    const name = 'model/encoder/attentionself/qk'
    const parts = longName(name)
      .text.replace(/<\/?code[^>]*>/g, '')
      .split('<wbr/>')
    assert.ok(parts.length > 1 && parts.every((part) => part.length >= 4), parts.join(' '))
    assert.equal(parts.join(''), name)
    assert.equal(longName('<b>').text, '<code class="name">&lt;b&gt;</code>')
  })

  it('list facts with their labels', () => {
    assert.equal(
      plain(
        factList([
          { label: 'a & b', value: '1' },
          { label: 'c', value: '2' },
        ]).text,
      ),
      'a & b 1 c 2',
    )
    assert.match(factList([], 'small').text, /class="facts small"/)
  })
})
