// Along the depth of the network: how exact every layer's output still is.
import { type LineChartOptions, lineChart } from '../charts/index.ts'
import { worstLayers } from '../figures.ts'
import { formatDb, formatNumber, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { LayerRow, Report } from '../report.ts'
import { lead, longName, twoSizes } from './parts.ts'

const explanation =
  'Signal against quantisation noise at the output of each layer, float model against the written one. ' +
  'Higher is better; 20 dB means that the noise has 1 % of the signal’s power. ● integer layer, ☐ float layer.'

/** Chart and worst layers; undefined when no layer's SQNR was measured. */
export function depthFigure({ layers }: Report): Markup | undefined {
  if (!layers.some((layer) => layer.sqnrDb !== undefined)) return undefined
  const worst = worstLayers(layers, layers.length > 20 ? 5 : 3)
  const naive = layers.some((layer) => layer.naiveSqnrDb !== undefined)
  const shared: LineChartOptions = {
    points: layers.map((layer, index) => pointOf(layer, index, worst.indexOf(layer))),
    label: labelOf(layers, worst[0]),
    xAxis: 'layer, in graph order',
    yAxis: 'SQNR (dB)',
    ceiling: 'exact',
    ...(naive && { second: { name: 'naive', values: layers.map((layer) => layer.naiveSqnrDb) } }),
  }
  const chart = twoSizes((size) =>
    size === 'wide'
      ? lineChart({ ...shared, reading: { label: 'noise', format: noiseShare } })
      : lineChart({ ...shared, width: 350, height: 260, titles: false }),
  )
  return markup`
    <figure>
      <figcaption>How exact each layer still is</figcaption>
      ${lead(naive ? `${explanation} Dotted: the same network quantised without any technique.` : explanation)}
      ${chart}
      ${worst.length > 0 && worstList(worst, layers)}
    </figure>`
}

function pointOf(layer: LayerRow, index: number, rank: number): LineChartOptions['points'][number] {
  return {
    value: layer.sqnrDb,
    title: `${index + 1} ${layer.name} (${layer.op}): ${formatDb(layer.sqnrDb)}${naiveWords(layer)}`,
    ...(layer.integer === false && { hollow: true }),
    ...(rank >= 0 && { badge: String(rank + 1) }),
  }
}

function naiveWords({ naiveSqnrDb }: LayerRow): string {
  return naiveSqnrDb === undefined ? '' : `, naive ${formatDb(naiveSqnrDb)}`
}

function labelOf(layers: readonly LayerRow[], least: LayerRow | undefined): string {
  const what = `SQNR of ${formatPlural(layers.length, 'layer')} in graph order`
  const lowest = least === undefined ? 'all are exact' : `lowest ${formatDb(least.sqnrDb)} at ${least.name}`
  return `${what}; ${lowest}. The figures are in the table of all layers.`
}

function worstList(worst: readonly LayerRow[], layers: readonly LayerRow[]): Markup {
  const items = worst.map((layer, rank) => {
    return markup`
      <li>
        <b class="badge">${rank + 1}</b>
        <span class="num">${formatDb(layer.sqnrDb)}</span>
        <a href="#layer-${layers.indexOf(layer) + 1}">${longName(layer.name)}</a>
      </li>`
  })
  return markup`<ol class="worst" aria-label="Worst layers">${items}</ol>`
}

/** Noise power as a share of the signal's: 20 dB is 1 %. */
function noiseShare(db: number): string {
  const share = 10 ** (-db / 10)
  if (share >= 9.9) return `${Math.round(share)}×`
  if (share >= 0.00099) return `${formatNumber(share * 100, 2)} %`
  return share >= 0.99e-9 ? `${formatNumber(share * 1e6, 2)} ppm` : ''
}
