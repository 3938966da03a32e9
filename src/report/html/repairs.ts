// On the first screen: which layers were repaired, which still hurt, and where along the network they are.
import { type StripLane, type StripOptions, strip } from '../charts/index.ts'
import { formatDb, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import { type Repair, type Repairs, repairOf, repairsOf } from '../repair.ts'
import type { LayerRow, Report } from '../report.ts'
import { longName, twoSizes } from './parts.ts'

/** Layers that are named; the others are in the table. */
const mostNamed = 5

/** The card; undefined when no layer's noise was measured. */
export function repairSection({ layers }: Report): Markup | undefined {
  const repairs = repairsOf(layers)
  if (repairs === undefined) return undefined
  const compared = layers.some(({ naiveSqnrDb }) => naiveSqnrDb !== undefined)
  const words = wordsOf(repairs, compared)
  return markup`
    <section class="repairs" aria-label="Layers">
      <h2>${words.headline}</h2>
      <p class="lead">${words.measure}</p>
      ${twoSizes((size) => stripOf(layers, words.headline, compared, size))}
      ${repairs.hurt.length > 0 && hurtList(repairs.hurt, layers)}
    </section>`
}

function wordsOf(
  { repaired, hurt, eased, measured }: Repairs,
  compared: boolean,
): { readonly headline: string; readonly measure: string } {
  const mended = compared ? `${repaired.length} of ${formatPlural(measured, 'layer')} repaired, ` : ''
  const still =
    hurt.length === 0 ? 'none' : compared ? String(hurt.length) : `${hurt.length} of ${formatPlural(measured, 'layer')}`
  const who = eased === hurt.length ? (eased > 1 ? 'all' : 'though') : `${eased} of them`
  const eases =
    eased > 0 ? `, ${who} with less than half of the noise ${eased === 1 && hurt.length === 1 ? 'it' : 'they'} had` : ''
  return {
    headline: `${mended}${still} still ${hurt.length === 1 || hurt.length === 0 ? 'hurts' : 'hurt'}${eases}`,
    measure: compared
      ? 'Repaired: less than half of the noise that the naive quantisation has at the layer’s output. Hurt: the noise there has more than a tenth of the signal’s power.'
      : 'Hurt: the noise at the layer’s output has more than a tenth of the signal’s power.',
  }
}

const lanes: readonly (StripLane & { readonly is: Repair })[] = [
  { is: 'repaired', name: 'repaired', colour: 'accent' },
  { is: 'fine', name: 'fine', colour: 'base' },
  { is: 'hurt', name: 'hurt', colour: 'warn' },
]

function stripOf(layers: readonly LayerRow[], words: string, compared: boolean, size: 'wide' | 'narrow'): string {
  const known = layers.flatMap((layer, index) => {
    const is = repairOf(layer)
    return is === undefined ? [] : [{ layer, index, is }]
  })
  const used = lanes.filter(({ is }) => compared || is !== 'repaired')
  const options: StripOptions = {
    lanes: used,
    cells: known.map(({ layer, index, is }) => ({
      lane: used.findIndex((lane) => lane.is === is),
      title: `${index + 1} ${layer.name}: ${changeOf(layer)}`,
    })),
    label: `${words}. The figures are in the table of all layers.`,
    xAxis: 'layer, in graph order',
  }
  return strip(size === 'wide' ? options : { ...options, width: 350, titles: false })
}

function changeOf({ sqnrDb, naiveSqnrDb }: LayerRow): string {
  return naiveSqnrDb === undefined ? formatDb(sqnrDb) : `${formatDb(naiveSqnrDb)} → ${formatDb(sqnrDb)}`
}

function hurtList(hurt: readonly LayerRow[], layers: readonly LayerRow[]): Markup {
  const named = hurt
    .slice(0, mostNamed)
    .map(
      (layer) =>
        markup`<li><a href="#layer-${layers.indexOf(layer) + 1}">${longName(layer.name)}</a> <span class="num">${changeOf(layer)}</span></li>`,
    )
  const more = hurt.length - named.length
  const measure = hurt.some(({ naiveSqnrDb }) => naiveSqnrDb !== undefined) ? 'SQNR, naive → now:' : 'SQNR:'
  return markup`<ul class="hurt" aria-label="Layers that hurt most"><li>${measure}</li>${named}${more > 0 && markup`<li><a href="#layers">${more} more</a></li>`}</ul>`
}
