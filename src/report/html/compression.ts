// What a compression looked at and chose: the curve, errors of layers × candidates, what each layer became, spectra.
import { heatMap, lineChart } from '../charts/index.ts'
import { formatBytes, formatNumber } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { CompressedLayerRow, CompressionReport, CurvePointRow, Report } from '../report.ts'
import { lead, longName, panel, twoSizes } from './parts.ts'

/** The section; undefined when nothing was compressed. */
export function compressionSection({ compression }: Report): Markup | undefined {
  if (!compression) return undefined
  return markup`${curveTable(compression.curve)}${heatFigure(compression)}${layerTable(compression)}${spectra(compression)}`
}

function curveTable(curve: readonly CurvePointRow[]): Markup | undefined {
  const [whole] = curve
  if (!whole || curve.length < 2) return undefined
  const rows = curve.map(
    (point) => markup`<tr>
      <th scope="row">${point.name}</th>
      <td class="num">${percent(point.macs / whole.macs)}</td>
      <td class="num">${percent(point.sizeBytes / whole.sizeBytes)}</td>
      <td class="num">${formatNumber(point.latencyMs, 3)} ms</td>
      <td class="num">${point.activationBytes === undefined ? '' : formatBytes(point.activationBytes)}</td>
      <td class="num">${point.metric === undefined ? '' : percent(point.metric)}</td>
      <td class="num">${point.agreement === undefined ? '' : percent(point.agreement)}</td>
      <td class="num">${point.kl === undefined ? '' : formatNumber(point.kl, 3)}</td>
    </tr>`,
  )
  const figure =
    curve.length > 2 && curve.every((point) => point.metric !== undefined || point.agreement !== undefined)
      ? twoSizes((size) =>
          lineChart({
            points: curve.map((point) => ({
              value: 100 * (point.metric ?? point.agreement ?? 0),
              title: `${point.name}: ${percent(point.metric ?? point.agreement ?? 0)}`,
            })),
            label: 'Accuracy of the models of the curve, the original first; the figures are in the table.',
            xAxis: 'model, from the original to the smallest',
            yAxis: whole.metric === undefined ? 'agreement (%)' : 'metric (%)',
            ...(size === 'narrow' ? { width: 350, height: 260, titles: false } : {}),
          }),
        )
      : undefined
  return markup`<figure><figcaption>The curve</figcaption>
    <div class="scroll"><table><thead><tr><th scope="col">model</th><th scope="col">MACs</th><th scope="col">file</th>
    <th scope="col">latency</th><th scope="col">peak activations</th><th scope="col">metric</th><th scope="col">agreement</th><th scope="col">KL</th></tr></thead>
    <tbody>${rows}</tbody></table></div>${figure}</figure>`
}

function heatFigure({ layers, ratios, cost }: CompressionReport): Markup | undefined {
  const rows = layers.filter((layer) => layer.errors.some((error) => error !== null))
  if (rows.length === 0) return undefined
  const full = Math.max(0.05, ...rows.flatMap((layer) => layer.errors.map((error) => Math.min(1, error ?? 0))))
  const draw = (width: number) =>
    heatMap({
      rows: rows.map((layer) => ({ name: layer.name, values: layer.errors, ...chosenColumn(layer, ratios) })),
      columns: ratios.map((ratio) => ratio.toFixed(1)),
      label: `Least error of ${rows.length} layers at shares of their ${cost}; chosen shares are framed.`,
      full,
      format: (value) => formatNumber(value, 3),
      width,
    })
  return markup`<figure><figcaption>Error of each layer at each share of its ${cost}</figcaption>
    ${lead('Error at the layer’s output as a share of its variance, in closed form. Darker is worse; the chosen share is framed; layers without a frame keep their form.')}
    ${twoSizes((size) => draw(size === 'wide' ? 640 : 350))}</figure>`
}

function chosenColumn(layer: CompressedLayerRow, ratios: readonly number[]): { chosen?: number } {
  if (layer.ratio >= 1) return {}
  let best = 0
  for (const [index, ratio] of ratios.entries())
    if (Math.abs(ratio - layer.ratio) < Math.abs((ratios[best] ?? 0) - layer.ratio)) best = index
  return { chosen: best }
}

function layerTable({ layers, cost }: CompressionReport): Markup {
  const timed = layers.some(({ latencyMs }) => latencyMs)
  const rows = layers.map(
    (layer) => markup`<tr><th scope="row">${longName(layer.name)}</th><td>${layer.what}</td>
      <td class="num">${percent(layer.ratio)}</td><td class="num">${formatNumber(layer.error, 3)}</td>${timed && markup`<td class="num">${timesOf(layer)}</td>`}</tr>`,
  )
  return markup`<figure><figcaption>What each layer became</figcaption><div class="scroll"><table>
    <thead><tr><th scope="col">layer</th><th scope="col">form</th><th scope="col">${cost}</th><th scope="col">error</th>${timed && markup`<th scope="col">time alone</th>`}</tr></thead>
    <tbody>${rows}</tbody></table></div></figure>`
}

function timesOf({ latencyMs }: CompressedLayerRow): string {
  if (!latencyMs) return ''
  return `${formatNumber(1000 * latencyMs.before, 2)} → ${formatNumber(1000 * latencyMs.after, 2)} µs`
}

/** Spectra that are drawn. */
const MOST = 24

function spectra({ layers }: CompressionReport): Markup | undefined {
  const shown = layers.filter((layer) => layer.spectrum && layer.spectrum.errors.length > 1).slice(0, MOST)
  if (shown.length === 0) return undefined
  const panels = shown.map((layer) => {
    const { split = '', errors = [], rank } = layer.spectrum ?? {}
    const chart = lineChart({
      points: errors.map((error, index) => {
        const value = Math.sqrt(Math.max(0, (errors[index - 1] ?? 1) - error))
        return {
          value,
          title: `rank ${index + 1}: ${formatNumber(value, 3)}, error left ${formatNumber(error, 3)}`,
          ...(index + 1 === rank ? { badge: 'cut', hollow: true } : {}),
        }
      }),
      label: `Singular values of ${layer.name}, ${split}${rank === undefined ? '' : `; cut at ${rank}`}.`,
      xAxis: 'rank',
      yAxis: 'singular value',
      atLeast: 0.01,
      width: 340,
      height: 180,
      titles: false,
    })
    return panel(longName(layer.name), chart, markup`<p>${split}${rank === undefined ? '' : `, cut at ${rank}`}</p>`)
  })
  return markup`<figure><figcaption>Spectrum</figcaption>
    ${lead('Singular values: the square of each is the share of the layer’s output that the rank adds. The mark is the cut.')}<div class="panels">${panels}</div></figure>`
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`
