// The table of all layers, sortable by any column.
import { formatCount, formatFactor, formatPercent, notMeasured } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { LayerRow, Report } from '../report.ts'
import { lead, longName } from './parts.ts'
import { type Column, dbCell, figureCell, table } from './table.ts'

const explanation =
  'In graph order. SQNR: the layer’s output against the float model. MACs: multiplications for one sample. ' +
  'Spread: largest ÷ median range of its output channels; above about 8 with one scale per tensor, equalisation helps.'

/** The table; undefined without layers. Row n has the id `layer-n`. */
export function layerSection(report: Report): Markup | undefined {
  const { layers } = report
  if (layers.length === 0) return undefined
  const rows = layers.map((layer, index) => ({ ...layer, index: index + 1 }))
  const columns: Column<LayerRow & { readonly index: number }>[] = [
    { title: '#', figure: true, cell: (row) => ({ show: String(row.index), value: row.index }) },
    { title: 'Layer', cell: (row) => longName(row.name) },
    { title: 'Op', cell: (row) => row.op },
    { title: 'Block', figure: true, cell: (row) => figureCell(row.block, String) },
    { title: 'Part', tight: true, cell: (row) => row.part ?? notMeasured },
    { title: 'SQNR', figure: true, cell: (row) => dbCell(row.sqnrDb) },
    { title: 'Naive', figure: true, cell: (row) => dbCell(row.naiveSqnrDb) },
    { title: 'Runs in', cell: runsIn },
    { title: 'Weights', tight: true, cell: (row) => row.weightGrid ?? notMeasured },
    { title: 'Output', tight: true, cell: (row) => row.outputGrid ?? notMeasured },
    { title: 'MACs', figure: true, cell: (row) => figureCell(row.macs, formatCount) },
    { title: 'Parameters', figure: true, cell: (row) => figureCell(row.parameters, formatCount) },
    { title: 'Spread', figure: true, cell: (row) => figureCell(row.rangeSpread, formatFactor) },
    { title: 'Mean shift', figure: true, cell: (row) => figureCell(row.meanShift?.after, formatPercent) },
  ]
  return markup`
    ${lead(explanation)}
    ${table(rows, columns, { sortable: true, id: (row) => `layer-${row.index}` })}`
}

function runsIn({ integer, kernel, reason }: LayerRow): Markup | string {
  if (integer === undefined) return notMeasured
  const place = integer ? markup`<span class="int">● integer</span>` : markup`<span class="flt">☐ float</span>`
  const words = kernel !== undefined && markup` <small>${kernel}</small>`
  return markup`${place}${words}${reason !== undefined && markup`<br/><small>${reason}</small>`}`
}
