// Which layers run in integers, and why the others do not.
import { type StripOptions, strip } from '../charts/index.ts'
import { type FloatGroup, floatGroups, otherWords, type Placement, placementOf } from '../figures.ts'
import { formatPercent, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { LayerRow, Report } from '../report.ts'
import { lead, longName, twoSizes } from './parts.ts'

/** Strip and reasons; undefined when no layer's kernel was looked at. */
export function placementFigure(report: Report): Markup | undefined {
  const { layers } = report
  const placement = placementOf(report)
  if (placement === undefined) return undefined
  const words = placementWords(placement, otherWords(report))
  const shared: StripOptions = {
    lanes: [
      { name: 'integer', colour: 'accent' },
      { name: 'float', colour: 'warn' },
      ...(placement.known < layers.length ? [{ name: 'unknown', colour: 'base' } as const] : []),
    ],
    cells: layers.map((layer, index) => ({
      lane: laneOf(layer),
      title: `${index + 1} ${layer.name}: ${kernelOf(layer)}`,
    })),
    label: `${words} The kernels are in the table of all layers.`,
    xAxis: 'layer, in graph order',
  }
  const groups = floatGroups(layers)
  return markup`
    <figure>
      <figcaption>Which layers run in integers</figcaption>
      ${lead(`${words} Read from the graph that ONNX Runtime optimised for this machine.`)}
      ${twoSizes((size) => strip(size === 'wide' ? shared : { ...shared, width: 350, titles: false }))}
      ${groups.length > 0 && markup`<h3>Why layers stay in float</h3><dl class="reasons">${groups.map(reason)}</dl>`}
    </figure>`
}

function placementWords({ integer, known, macShare }: Placement, others: string | undefined): string {
  const share = macShare === undefined ? '' : `, with ${formatPercent(macShare)} of the multiplications`
  return `${integer} of ${formatPlural(known, 'layer')} run with an integer kernel${share}.${others === undefined ? '' : ` Beside them, in float: ${others}.`}`
}

function laneOf(layer: LayerRow): number {
  return layer.integer === true ? 0 : layer.integer === false ? 1 : 2
}

function kernelOf(layer: LayerRow): string {
  if (layer.integer === undefined) return 'kernel unknown'
  const kernel = layer.kernel === undefined ? '' : ` (${layer.kernel})`
  const why = layer.reason === undefined ? '' : `, ${layer.reason}`
  return `${layer.integer ? 'integer' : 'float'}${kernel}${why}`
}

/** A reason with its layers; long lists are folded. */
function reason(group: FloatGroup): Markup {
  const names = markup`<ul>${group.layers.map((layer) => markup`<li>${longName(layer.name)}</li>`)}</ul>`
  const count = formatPlural(group.layers.length, 'float layer')
  const shown = group.layers.length <= 4 ? names : markup`<details><summary>${count}</summary>${names}</details>`
  return markup`<div><dt>${group.reason}</dt><dd>${shown}</dd></div>`
}
