import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Markup, plain } from '../../../test/support/page-text.ts'
import { analysis, emptyReport, techniquesReport, usualReport } from '../../../test/support/sample-reports.ts'
import { renderHtml } from '../html.ts'
import type {
  ActivationRow,
  CompressionReport,
  LayerRow,
  Report,
  StepRow,
  TrainingRows,
  VariantRow,
} from '../report.ts'
import { activationSection } from './activations.ts'
import { analysisSection } from './analysis.ts'
import { compressionSection } from './compression.ts'
import { depthFigure } from './depth.ts'
import { placementFigure } from './placement.ts'
import { stepSection } from './steps.ts'
import { type Column, dbCell, figureCell, table } from './table.ts'
import { techniquesSection } from './techniques.ts'
import { trainingSection } from './training.ts'
import { variantSection } from './variants.ts'

/** What a reader sees of a section; '' where there is none. */
const textOf = (section: Markup | undefined): string => (section ? plain(section.text) : '')
const report = (fields: Partial<Report>): Report => ({ ...emptyReport, ...fields })
/** Rows of the first table of a section, a text a cell. */
function cellsOf(section: Markup | undefined): string[][] {
  const [body = ''] = /<tbody>.*?<\/tbody>/s.exec(section?.text ?? '') ?? []
  return [...body.matchAll(/<tr.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<t[dh][^>]*>(.*?)<\/t[dh]>/gs)].map((cell) => plain(cell[1] ?? '')),
  )
}

describe('sections of an empty report', () => {
  for (const [name, section] of Object.entries({
    ...{ activationSection, analysisSection, compressionSection, depthFigure, placementFigure },
    ...{ stepSection, techniquesSection, trainingSection, variantSection },
  }))
    it(`are left out: ${name}`, () => {
      const bare = report({ variants: [], steps: [], layers: [], activations: [] })
      const { ladder: _, training: __, compression: ___, ...rest } = bare
      assert.equal(section(rest as Report), undefined)
    })
})

describe('an analysis', () => {
  const section = analysisSection(report({ analysis }))
  const text = textOf(section)

  it('names cause, remedy and price of each row, in the order given', () => {
    assert.match(text, /conv_dw_1 clipped range 1\.0 %, 20\.0 dB · in float it spares 0\.9 % of noise/)
    assert.match(text, /head\/fc moved bias looks damaged .*Try --exclude head\/fc \(\+1\.2 kB, \+30\.0 µs\)/)
    assert.match(text, /Try --overrides with \{ &quot;add&quot;: \{ &quot;float&quot;: true \} \}(?! \()/)
  })

  it('draws weights and activations as one bar a row, as wide as their noise', () => {
    const [wide = ''] = /<div class="wide">.*?<\/svg>/s.exec(section?.text ?? '') ?? []
    const bars = [...wide.matchAll(/<rect class="(\w+)" x="[\d.]+" y="\d+" width="([\d.]+)" height="14"/g)]
    assert.deepEqual(
      bars.map(([, colour]) => colour),
      ['accent', 'warn', 'accent', 'warn'],
    )
    const [weights = 0, activations = 0, other = 0] = bars.map(([, , width]) => Number(width))
    assert.ok(Math.abs(activations / weights - 4) < 0.1, `${activations} for ${weights}`)
    assert.ok(Math.abs(weights / other - 2 / 1.6) < 0.1, `${weights} for ${other}`)
  })

  it('shares the noise out by cause, and shows outputs where there are several', () => {
    assert.match(section?.text ?? '', /<title>clipped range \(1\): 79\.4 %<\/title>/)
    assert.match(text, /Layer boxes scores conv_dw_1 19\.5 dB exact head\/fc 28\.0 dB 31\.0 dB/)
    const alone = {
      ...analysis,
      layers: analysis.layers.map(({ outputs: _, ...row }) => ({ ...row, cause: 'rounding' })),
    }
    assert.doesNotMatch(textOf(analysisSection(report({ analysis: alone }))), /Noise by cause|groups of their columns/)
  })

  it('says what is not a number, and draws nothing for it', () => {
    const [first] = analysis.layers
    assert.ok(first)
    const odd = {
      ...analysis,
      layers: [{ ...first, noise: { weights: Number.NaN, activations: Number.NaN, both: Number.NaN } }],
    }
    const page = renderHtml(report({ analysis: odd }))
    assert.match(plain(page), /conv_dw_1 clipped range not a number/)
    assert.doesNotMatch(/<section id="analysis">.*?<\/section>/s.exec(page)?.[0] ?? 'NaN', /NaN/)
  })
})

describe('a table of the page', () => {
  const columns: readonly Column<{ name: string; db?: number | null; ms?: number }>[] = [
    { title: 'Name', cell: ({ name }) => name },
    { title: 'SQNR', figure: true, cell: ({ db }) => dbCell(db) },
    { title: 'Time', figure: true, cell: ({ ms }) => figureCell(ms, (value) => `${value} ms`) },
  ]

  it('leaves columns out in which nothing was measured', () => {
    const one = table([{ name: 'a', db: 20 }, { name: 'b' }], columns)
    assert.match(one.text, /SQNR/)
    assert.doesNotMatch(one.text, /Time/)
    assert.deepEqual(cellsOf(one), [
      ['a', '20.0 dB'],
      ['b', '–'],
    ])
  })

  it('sorts by figures, an exact match above all, what is not a number below', () => {
    const values = [
      ...table(
        [
          { name: 'a', db: 20 },
          { name: 'b', db: null },
          { name: 'c', db: Number.NaN },
        ],
        columns,
        { sortable: true },
      ).text.matchAll(/data-v="([^"]*)"/g),
    ].map(([, value]) => Number(value))
    assert.equal(values.length, 3)
    const [finite = 0, exact = 0, strange = 0] = values
    assert.ok(exact > finite && strange < finite)
  })

  it('says how long it is where it scrolls, and marks rows', () => {
    const many = Array.from({ length: 41 }, (_, i) => ({ name: `row ${i}` }))
    const long = table(many, columns, { id: ({ name }) => name.replace(' ', '-'), rowClass: () => 'kept' })
    assert.match(textOf(long), /41 rows; the table scrolls/)
    assert.match(long.text, /<tr id="row-40" class="kept">/)
    assert.doesNotMatch(textOf(table(many.slice(1), columns)), /scrolls/)
  })

  it('takes figures that are not finite for not measured', () => {
    assert.deepEqual(figureCell(Number.POSITIVE_INFINITY, String), { show: '–' })
    assert.deepEqual(figureCell(undefined, String), { show: '–' })
    assert.deepEqual(
      figureCell(2, (value) => `${value} ms`),
      { show: '2 ms', value: 2 },
    )
  })
})

describe('the variants', () => {
  const variants: readonly VariantRow[] = [
    { name: 'float', sizeBytes: 4_000_000, latencyMs: 2 },
    {
      name: 'int8',
      kept: true,
      sizeBytes: 1_000_000,
      latencyMs: 1,
      latencySpreadMs: 0.1,
      agreement: 0.98,
      sqnrDb: null,
    },
  ]

  it('stand side by side with what was measured of each', () => {
    const section = variantSection(report({ variants, outputs: { y: 31.5 } }))
    const [float, int8] = cellsOf(section)
    assert.deepEqual(float?.slice(0, 2), ['float', '4.0 MB'])
    assert.ok(int8?.[0]?.includes('✓ kept') && int8.includes('98.0 %') && int8.includes('exact'), int8?.join())
    assert.match(textOf(section), /The original against the result/)
    assert.match(textOf(section), /Outputs of the result against the original.*31\.5 dB/s)
  })

  it('are in the order of the attempts where there are more than two', () => {
    const more = [...variants, { name: 'int4', sizeBytes: 700_000 }]
    assert.match(textOf(variantSection(report({ variants: more }))), /every attempt in the order it was made/)
  })

  it('say how many samples an interval comes from', () => {
    const metric = { name: 'top1', value: 0.5, interval: { low: 0.46, high: 0.54 }, samples: 600 }
    const section = variantSection(report({ variants: [{ name: 'float', metric }] }))
    assert.match(textOf(section), /Intervals are 95 %, from 600 samples/)
    assert.match(textOf(section), /Accuracy: top1/)
  })
})

describe('the techniques', () => {
  it('have a row each with what it gained, and are marked where they were not kept', () => {
    const rows = cellsOf(techniquesSection(techniquesReport))
    assert.deepEqual(
      rows.map(([name]) => name?.split(' ')[0]),
      techniquesReport.ladder?.map(({ name }) => name.split(' ')[0]),
    )
    for (const [index, { kept, reason }] of (techniquesReport.ladder ?? []).entries()) {
      assert.ok(rows[index]?.[0]?.endsWith(kept ? '✓ kept' : '✕ not kept'))
      if (reason) assert.equal(rows[index]?.at(-1), reason)
    }
  })
})

describe('the steps', () => {
  const step = (fields: Partial<StepRow>): StepRow => ({
    name: 'fold',
    kind: 'exact',
    kept: true,
    changes: [],
    ...fields,
  })
  const section = (steps: readonly StepRow[]) => stepSection(report({ steps }))

  it('say what they did, what they left alone, and what has nothing to do', () => {
    const text = textOf(
      section([
        step({
          name: 'fold-batch-norm',
          changes: ['bn1 folded into conv1'],
          skipped: ['bn2: no layer before it'],
          sqnrDb: 130,
          seconds: 2,
        }),
        step({ name: 'remove-identity', kept: false }),
      ]),
    )
    assert.match(text, /fold-batch-norm ✓ kept exact rewrite · SQNR 130\.0 dB · 2\.0 s/)
    assert.match(text, /left alone: bn2/)
    assert.match(text, /Nothing to do for: remove-identity\./)
  })

  it('prove in a table that they kept the function, and show what was reverted', () => {
    const rows = [
      ...section([
        step({ name: 'a', changes: ['x'], boundDb: 100, sqnrDb: null, randomSqnrDb: 140 }),
        step({ name: 'b', kind: 'bounded', kept: false, changes: ['x'], boundDb: 38, sqnrDb: 34 }),
        step({ name: 'c', changes: [], boundDb: 100 }),
      ])!.text.matchAll(/<tr>.*?<\/tr>/gs),
    ].map(([row]) => plain(row))
    assert.match(rows[1] ?? '', /a exact 100\.0 dB exact 140\.0 dB ✓ kept/)
    assert.match(rows[2] ?? '', /b bounded 38\.0 dB 34\.0 dB – ✕ reverted/)
    assert.equal(rows.length, 3)
  })

  it('fold long lists', () => {
    const four = section([step({ changes: ['1', '2', '3', '4'] })])
    assert.match(four?.text ?? '', /<summary>4 changes<\/summary>/)
    assert.doesNotMatch(section([step({ changes: ['1', '2', '3'] })])?.text ?? '', /<details>/)
  })
})

describe('the layers along the depth', () => {
  const layers: readonly LayerRow[] = [
    { name: 'conv1', op: 'Conv', parameters: 10, integer: true, kernel: 'QLinearConv', sqnrDb: 31, naiveSqnrDb: 22 },
    { name: 'conv2', op: 'Conv', parameters: 10, integer: false, sqnrDb: 12, reason: 'it has a second output' },
    { name: 'fc', op: 'Gemm', parameters: 10, sqnrDb: null },
  ]

  it('name the worst first, with a link to its row', () => {
    const figure = depthFigure(report({ layers }))
    const worst = /<ol class="worst".*?<\/ol>/s.exec(figure?.text ?? '')?.[0] ?? ''
    assert.match(plain(worst), /^1 12\.0 dB conv2 2 31\.0 dB conv1/)
    assert.match(worst, /href="#layer-2"/)
    assert.match(textOf(figure), /Dotted: the same network quantised without any technique/)
    assert.match(figure?.text ?? '', /lowest 12\.0 dB at conv2/)
  })

  it('say which run in integers, and why the others do not', () => {
    const text = textOf(placementFigure(report({ layers, otherProducts: [{ op: 'MatMul', count: 2 }] })))
    assert.match(text, /1 of 2 layers run with an integer kernel/)
    assert.match(text, /Beside them, in float: .*MatMul/)
    assert.match(text, /it has a second output conv2/)
  })
})

describe('the activations', () => {
  const seen = (tensor: string, fields: Partial<ActivationRow>): ActivationRow => ({
    tensor,
    reason: 'between integer operators',
    ...fields,
  })
  const grid = { dtype: 'uint8', scale: 0.02, zeroPoint: 0, low: 0, high: 5 }

  it('have a row with grid and observed range, and are counted', () => {
    const section = activationSection(
      report({
        activations: [seen('a', { ...grid, observedLow: 0, observedHigh: 4 }), seen('mask', { reason: 'stays float' })],
      }),
    )
    assert.match(textOf(section), /1 tensor got a grid, 1 stayed float/)
    const [first, second] = cellsOf(section)
    assert.deepEqual(first?.slice(0, 6), ['a', 'uint8', '0 … 5', '0 … 4', '0.02', '0'])
    assert.deepEqual([second?.[2], second?.at(-1)], ['–', 'stays float'])
  })

  it('tell how much of a histogram a grid clips, a bin that it cuts by its outer part', () => {
    const text = (high: number) =>
      textOf(
        activationSection(
          report({
            activations: [seen('a', { ...grid, high, histogram: { from: 0, to: 4, counts: [10, 10, 10, 10] } })],
          }),
        ),
      )
    assert.match(text(4), /a grid 0 … 4, 0 % of the values clipped/)
    assert.match(text(3), /25\.0 % of the values clipped/)
    assert.match(text(2.5), /37\.5 % of the values clipped/)
  })

  it('show the ranges that fit least', () => {
    const many = Array.from({ length: 20 }, (_, i) =>
      seen(`v${i}`, { ...grid, observedLow: 0, observedHigh: 5 - i / 5 }),
    )
    const text = activationSection(report({ activations: many }))?.text ?? ''
    assert.match(plain(text), /The 12 of 20 that fit least/)
    assert.match(text, /v19: grid/)
    assert.doesNotMatch(text, /v3: grid/)
  })
})

describe('a training', () => {
  const training: TrainingRows = {
    epochs: [
      { epoch: 1, loss: 0.8, score: 0.5, rate: 0.01, seconds: 3 },
      { epoch: 2, loss: 0.4, score: 0.75, rate: 0.005, seconds: 3 },
    ],
    losses: Array.from({ length: 401 }, (_, step) => ({ step, loss: 2 - step / 400 })),
    ...{ scoreName: 'top1', before: 0.25, best: 2 },
  }

  it('shows its epochs, marks the one that was kept, and shares as per cent', () => {
    const section = trainingSection(report({ training }))
    assert.deepEqual(cellsOf(section), [
      ['1', '0.8', '0.5', '0.01', '3'],
      ['2 ★', '0.4', '0.75', '0.005', '3'],
    ])
    assert.match(section?.text ?? '', /before training: 25 %/)
    assert.match(section?.text ?? '', /epoch 2: 75 %/)
  })

  it('draws no more points than can be told apart, and says which', () => {
    const text = trainingSection(report({ training }))?.text ?? ''
    assert.match(text, /one in 3 of the steps that were kept/)
    assert.match(text, /Loss over 401 steps, from 2 to 1/)
  })

  it('has no score where none was taken', () => {
    const bare = { ...training, epochs: training.epochs.map(({ score: _, ...epoch }) => epoch) }
    assert.doesNotMatch(textOf(trainingSection(report({ training: bare }))), /Score/)
  })
})

describe('a compression', () => {
  const compression: CompressionReport = {
    cost: 'MACs',
    ratios: [0.25, 0.5, 0.75],
    layers: [
      {
        name: 'conv1',
        ratio: 0.5,
        what: 'spatial-svd, rank 4',
        error: 0.02,
        errors: [0.3, 0.1, null],
        latencyMs: { before: 0.2, after: 0.1 },
        spectrum: { split: 'vertical-horizontal', errors: [0.4, 0.1, 0.01], rank: 2 },
      },
      { name: 'fc', ratio: 1, what: 'keeps its form', error: 0, errors: [null, null, null] },
    ],
    curve: [
      { name: 'original', macs: 1000, sizeBytes: 4000, latencyMs: 2, metric: 0.8 },
      { name: '0.5', macs: 500, sizeBytes: 3000, latencyMs: 1.5, metric: 0.78, agreement: 0.95 },
    ],
  }
  const section = compressionSection(report({ compression }))

  it('shows the models of the curve as shares of the original', () => {
    assert.deepEqual(cellsOf(section)[1]?.slice(0, 4), ['0.5', '50.0 %', '75.0 %', '1.5 ms'])
  })

  it('says what each layer became and what it takes alone', () => {
    const text = textOf(section)
    assert.match(text, /conv1 spatial-svd, rank 4 50\.0 % 0\.02 200 → 100 µs/)
    assert.match(text, /fc keeps its form 100\.0 %/)
    assert.match(text, /vertical-horizontal, cut at 2/)
  })

  it('draws errors of the layers that have candidates alone', () => {
    assert.match(section?.text ?? '', /Least error of 1 layers at shares of their MACs/)
  })
})

describe('the usual report', () => {
  it('has a variant, a step and a layer figure', () => {
    for (const part of [variantSection, stepSection, depthFigure, activationSection]) assert.ok(part(usualReport))
  })
})
