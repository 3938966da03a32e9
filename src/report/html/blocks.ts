// A transformer block by block: how exact its attention and its feed-forward layers still are.
import { sqnrRank } from '../figures.ts'
import { formatCount, formatPlural, notMeasured } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { LayerRow, Report } from '../report.ts'
import { lead } from './parts.ts'
import { type Cell, dbCell, figureCell, table } from './table.ts'

interface BlockRow {
  readonly block: number
  readonly attention: readonly LayerRow[]
  readonly others: readonly LayerRow[]
}

/** Undefined for a model without blocks. */
export function blockTable({ layers }: Report): Markup | undefined {
  const rows = blocksOf(layers)
  if (rows.length === 0) return undefined
  const all = ({ attention, others }: BlockRow) => [...attention, ...others]
  const outside = layers.filter(({ block }) => block === undefined).length
  const rest =
    outside > 0 ? ` ${formatPlural(outside, 'layer')} stand${outside === 1 ? 's' : ''} outside of the blocks.` : ''
  return markup`
    <figure>
      <figcaption>Block by block</figcaption>
      ${lead(`The layers of each block, by what they belong to, with the lowest SQNR among them.${rest}`)}
      ${table(rows, [
        { title: 'Block', figure: true, cell: ({ block }) => ({ show: String(block), value: block }) },
        { title: 'Attention', figure: true, cell: ({ attention }) => worstOf(attention) },
        { title: 'Feed-forward', figure: true, cell: ({ others }) => worstOf(others) },
        { title: 'Layers', figure: true, cell: (row) => figureCell(all(row).length, String) },
        { title: 'In integers', figure: true, cell: (row) => integersOf(all(row)) },
        { title: 'Parameters', figure: true, cell: (row) => figureCell(sumOf(all(row), 'parameters'), formatCount) },
        { title: 'MACs', figure: true, cell: (row) => figureCell(sumOf(all(row), 'macs') || undefined, formatCount) },
      ])}
    </figure>`
}

function blocksOf(layers: readonly LayerRow[]): BlockRow[] {
  const numbers = [...new Set(layers.flatMap(({ block }) => block ?? []))].sort((a, b) => a - b)
  return numbers.map((block) => {
    const own = layers.filter((layer) => layer.block === block)
    const [attention, others] = [true, false].map((wanted) =>
      own.filter(({ part }) => (part === 'attention') === wanted),
    )
    return { block, attention: attention ?? [], others: others ?? [] }
  })
}

function worstOf(layers: readonly LayerRow[]): Cell {
  const measured = layers.filter(({ sqnrDb }) => sqnrDb !== undefined)
  const [worst] = measured.toSorted((a, b) => sqnrRank(a.sqnrDb) - sqnrRank(b.sqnrDb))
  return dbCell(worst?.sqnrDb)
}

function integersOf(layers: readonly LayerRow[]): Cell {
  const known = layers.filter(({ integer }) => integer !== undefined)
  if (known.length === 0) return { show: notMeasured }
  const count = known.filter(({ integer }) => integer).length
  return { show: `${count} of ${known.length}`, value: count }
}

function sumOf(layers: readonly LayerRow[], key: 'parameters' | 'macs'): number {
  return layers.reduce((sum, layer) => sum + (layer[key] ?? 0), 0)
}
