// What layers read, channel by channel: a strip each, and which channels go apart.
import { rangeStrip } from '../charts/index.ts'
import { formatFactor, formatInteger, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { InputChannelsRow, Report } from '../report.ts'
import { lead, longName, twoSizes } from './parts.ts'
import { figureCell, table } from './table.ts'

const explanation =
  'Smallest to largest value of each channel of what a layer reads, on the samples. One scale serves them all, so the widest ' +
  'channel sets the step of the others.'
const separated =
  ' Channels with a number go apart: a small float product adds them, and the integers need to reach only as far as the band.'

/** Strips that are drawn; the table has all. */
const mostStrips = 6

/** Undefined where no channel stands out. */
export function inputChannelSection({ inputChannels = [] }: Report): Markup | undefined {
  if (inputChannels.length === 0) return undefined
  const some = inputChannels.some(({ apart }) => apart.length > 0)
  return markup`
    ${lead(some ? explanation + separated : explanation)}
    ${inputChannels.slice(0, mostStrips).map(figure)}
    ${table(inputChannels, [
      { title: 'Layers', cell: ({ layers }) => namesOf(layers) },
      { title: 'Channels', figure: true, cell: ({ channels }) => figureCell(channels, formatInteger) },
      { title: 'Widest ÷ middle', figure: true, cell: ({ peak }) => figureCell(peak, formatFactor) },
      { title: 'Apart', tight: true, cell: ({ apart }) => someOf(apart) },
    ])}`
}

/** Numbers that a cell names. */
const mostNumbers = 6

function someOf(channels: readonly number[]): string {
  const rest = channels.length - mostNumbers
  const named = channels.slice(0, mostNumbers).join(', ')
  if (channels.length === 0) return 'none'
  return rest > 0 ? `${named} and ${rest} more` : named
}

function namesOf([first = '', ...others]: readonly string[]): Markup {
  return markup`${longName(first)}${others.length > 0 && markup` <small>and ${formatPlural(others.length, 'more layer')}</small>`}`
}

function figure(row: InputChannelsRow): Markup {
  const { layers, channels, apart, peak } = row
  const which = apart.length === 0 ? 'none goes apart' : `${apart.join(', ')} go${apart.length === 1 ? 'es' : ''} apart`
  const label = `Ranges of the ${channels} channels that ${layers[0] ?? ''} reads; the widest is ${formatFactor(peak)} the middle one, ${which}.`
  const shared = { ...row, label, xAxis: 'channel', yAxis: 'value' }
  return markup`
    <figure>
      <figcaption>${namesOf(layers)}</figcaption>
      ${twoSizes((size) => rangeStrip(size === 'wide' ? shared : { ...shared, width: 350 }))}
    </figure>`
}
