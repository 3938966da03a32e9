// How far quantisation shifts each layer's mean, and how much of that bias correction removed.
import { lineChart } from '../charts/index.ts'
import { formatPercent, formatPercentTick, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report } from '../report.ts'
import { lead, twoSizes } from './parts.ts'

const explanation =
  'The mean error of each layer’s output as a share of the size of its means: sqrt(Σ E[error]² ÷ Σ E[output]²) over the ' +
  'channels. Dots: after bias correction; dotted line: before. Lower is better.'

/** The chart; undefined when no layer's shift was measured. */
export function shiftFigure({ layers }: Report): Markup | undefined {
  const measured = layers.filter((layer) => layer.meanShift !== undefined)
  if (measured.length === 0) return undefined
  const smaller = measured.filter(({ meanShift }) => (meanShift?.after ?? 0) < (meanShift?.before ?? 0)).length
  const words = `The shift became smaller in ${smaller} of ${formatPlural(measured.length, 'layer')}.`
  const shared = {
    points: layers.map(({ name, meanShift }, index) => ({
      value: meanShift?.after,
      title: meanShift
        ? `${index + 1} ${name}: ${formatPercent(meanShift.before)} before, ${formatPercent(meanShift.after)} after`
        : `${index + 1} ${name}`,
    })),
    second: { name: 'before', values: layers.map(({ meanShift }) => meanShift?.before) },
    atLeast: 0,
    format: formatPercentTick,
    label: `Mean shift of each layer before and after bias correction. ${words}`,
    xAxis: 'layer, in graph order',
    yAxis: 'mean shift',
  }
  return markup`
    <figure>
      <figcaption>Mean shift before and after bias correction</figcaption>
      ${lead(`${words} ${explanation}`)}
      ${twoSizes((size) => lineChart(size === 'wide' ? shared : { ...shared, width: 350, height: 260, titles: false }))}
    </figure>`
}
