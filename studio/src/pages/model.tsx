// A model: its graph, its layers, and the pictures of the layer that was picked.
import { useMemo, useState } from 'preact/hooks'
import {
  formatBytes,
  formatCount,
  formatDb,
  formatFactor,
  formatPlural,
  type LayerRow,
  layerPictures,
  notMeasured,
  type Report,
} from '../../../src/report/index.ts'
import { get } from '../api.ts'
import { collapse } from '../graph/collapse.ts'
import { GraphView } from '../graph/graph-view.tsx'
import { type LayerFigures, type ShadeName, shadeBoxes, shadesOf } from '../graph/shade.ts'
import { useLoaded } from '../hooks.ts'
import { Scroll } from '../parts/scroll.tsx'
import { linkTo } from '../route.ts'
import type { ModelView } from '../types.ts'

/** More boxes than these, and repeats are folded at first. */
const manyBoxes = 120

export function ModelPage({ path, run }: { readonly path: string; readonly run: string | undefined }) {
  const query = `path=${encodeURIComponent(path)}`
  const view = useLoaded(path, (signal) => get<ModelView>(`model?${query}`, signal))
  // Costs need a run of the model: the drawing does not wait for them.
  const costs = useLoaded(view.value?.path, (signal) => get<Record<string, number>>(`model/costs?${query}`, signal))
  const report = useLoaded(run, (signal) => get<Report>(`runs/${run}/report`, signal))
  if (view.problem !== undefined) {
    return (
      <section class="card">
        <h1>This model cannot be opened</h1>
        <p class="problem">{view.problem}</p>
      </section>
    )
  }
  if (view.value === undefined) return <section class="card quiet">Reading {path} …</section>
  return <Model view={view.value} macs={costs.value ?? {}} report={report.value} />
}

interface ModelProps {
  readonly view: ModelView
  readonly macs: Readonly<Record<string, number>>
  readonly report: Report | undefined
}

function Model({ view, macs, report }: ModelProps) {
  const [picked, pick] = useState<number>()
  const [everyNode, setEveryNode] = useState(false)
  const [folded, setFolded] = useState(() => collapse(view.nodes).length > manyBoxes)
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set())
  const [shade, setShade] = useState<ShadeName>('MACs')
  const rows = useMemo(() => new Map(report?.layers.map((layer) => [layer.name, layer])), [report])
  const figures = useMemo(
    () =>
      view.layers.map((layer): LayerFigures => {
        const { sqnrDb } = rows.get(layer.name) ?? {}
        const cost = macs[layer.name]
        return { ...layer, ...(cost === undefined ? {} : { macs: cost }), ...(sqnrDb === undefined ? {} : { sqnrDb }) }
      }),
    [view, macs, rows],
  )
  const boxes = useMemo(
    () => collapse(view.nodes, { everyNode, repeats: folded, opened }),
    [view, everyNode, folded, opened],
  )
  const known = shadesOf(figures)
  const shown = known.includes(shade) ? shade : (known[1] ?? 'none')
  const shades = useMemo(
    () =>
      shadeBoxes(
        shown,
        boxes.map(({ layers }) => layers),
        figures,
      ),
    [shown, boxes, figures],
  )
  const selected = picked === undefined ? undefined : boxes.findIndex(({ members }) => members.includes(picked))
  const layer = picked === undefined ? undefined : view.nodes[picked]?.layer
  const total = figures.every((one) => one.macs !== undefined)
    ? figures.reduce((sum, one) => sum + (one.macs ?? 0), 0)
    : undefined
  return (
    <>
      <section class="card head">
        <div>
          <h1 class="file">{view.name}</h1>
          <p class="quiet">
            {formatBytes(view.sizeBytes)} · {formatPlural(view.layers.length, 'layer')}
            {total !== undefined && view.layers.length > 0 && ` · ${formatCount(total)} MACs`} ·{' '}
            {formatPlural(view.nodes.length, 'node')} · opset {view.opset}
            <br />
            {view.inputs.join(', ')} → {view.outputs.join(', ')}
          </p>
          {view.notes.map((note) => (
            <p key={note} class="quiet">
              {note}
            </p>
          ))}
        </div>
        <p class="actions">
          <a class="button main" href={linkTo('new', [], { command: 'quantize', model: view.path })}>
            Quantise
          </a>
          <a class="button" href={linkTo('new', [], { model: view.path })}>
            Another run
          </a>
        </p>
      </section>
      <div class="split">
        <section class="card graph-card" aria-label="Graph">
          <p class="tools">
            <label>
              Colour{' '}
              <select value={shown} onChange={(event) => setShade(event.currentTarget.value as ShadeName)}>
                {known.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <label>
              <input type="checkbox" checked={folded} onChange={(event) => setFolded(event.currentTarget.checked)} />{' '}
              Fold repeats
            </label>
            <label>
              <input
                type="checkbox"
                checked={everyNode}
                onChange={(event) => setEveryNode(event.currentTarget.checked)}
              />{' '}
              Every node
            </label>
          </p>
          <GraphView
            boxes={boxes}
            shades={shades}
            selected={selected}
            label={`Graph of ${view.name}, ${boxes.length} boxes`}
            onSelect={(box) => pick(box === undefined ? undefined : mainNode(view, boxes[box]?.members ?? []))}
            onOpen={(box) => {
              const key = boxes[box]?.repeats?.key
              if (key !== undefined) setOpened(new Set(opened).add(key))
            }}
          />
        </section>
        <section class="card details" aria-label="Selection">
          {picked === undefined ? (
            <p class="quiet">Pick a box of the graph, or a layer of the table, to see what is in it.</p>
          ) : (
            <>
              <h2>{view.nodes[picked]?.name}</h2>
              <p class="quiet">
                {(boxes[selected ?? 0]?.members ?? [])
                  .map((node) => view.nodes[node]?.op)
                  .slice(0, 12)
                  .join(' · ')}
              </p>
              {layer !== undefined && (
                <LayerDetails
                  view={view}
                  index={layer}
                  figures={figures[layer]}
                  row={rows.get(view.layers[layer]?.name ?? '')}
                />
              )}
            </>
          )}
        </section>
      </div>
      <section class="card">
        <h2>Layers</h2>
        <LayerTable
          view={view}
          figures={figures}
          picked={layer}
          onPick={(index) => pick(view.nodes.findIndex((node) => node.layer === index))}
        />
      </section>
    </>
  )
}

/** The node of a box that says most: its layer, else its first. */
function mainNode(view: ModelView, members: readonly number[]): number | undefined {
  return members.find((node) => view.nodes[node]?.layer !== undefined) ?? members[0]
}

interface LayerDetailsProps {
  readonly view: ModelView
  readonly index: number
  readonly figures: LayerFigures | undefined
  readonly row: LayerRow | undefined
}

/** Figures and pictures of a layer; from the report of a run where there is one, for that knows before and after. */
function LayerDetails({ view, index, figures, row }: LayerDetailsProps) {
  const layer = view.layers[index]
  const key = layer === undefined || row?.channels !== undefined ? undefined : layer.name
  const loaded = useLoaded(key, (signal) =>
    get<LayerRow>(`model/layer?path=${encodeURIComponent(view.path)}&name=${encodeURIComponent(key ?? '')}`, signal),
  )
  if (layer === undefined) return null
  const shown = row?.channels === undefined ? loaded.value : row
  const pictures = shown && layerPictures(shown)
  const facts: [string, string][] = [
    ['Weight', `${layer.shape.join(' × ')}${layer.bits === undefined ? '' : `, ${layer.bits} bit`}`],
    ['Size', formatBytes(layer.sizeBytes)],
    ['MACs', figures?.macs === undefined ? notMeasured : formatCount(figures.macs)],
    [
      'Spread',
      layer.rangeSpread === undefined
        ? notMeasured
        : `${formatFactor(layer.rangeSpread)}${layer.outliers ? `, ${layer.outliers} channels stand out` : ''}`,
    ],
    ...(row === undefined
      ? []
      : ([
          ['SQNR', formatDb(row.sqnrDb)],
          [
            'Runs as',
            row.integer === undefined
              ? notMeasured
              : `${row.integer ? 'integer' : 'float'} ${row.kernel ?? ''} ${row.reason ?? ''}`,
          ],
        ] as [string, string][])),
  ]
  return (
    <>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {pictures !== undefined && <div class="pictures" dangerouslySetInnerHTML={{ __html: pictures }} />}
    </>
  )
}

interface LayerTableProps {
  readonly view: ModelView
  readonly figures: readonly LayerFigures[]
  readonly picked: number | undefined
  readonly onPick: (index: number) => void
}

function LayerTable({ view, figures, picked, onPick }: LayerTableProps) {
  if (view.layers.length === 0)
    return <p class="quiet">No Conv, Gemm or MatMul with a constant weight in the main graph.</p>
  const measured = figures.some(({ sqnrDb }) => sqnrDb !== undefined)
  return (
    <Scroll label="Layers">
      <table>
        <thead>
          <tr>
            <th scope="col" class="fig">
              #
            </th>
            <th scope="col">Layer</th>
            <th scope="col">Op</th>
            <th scope="col" class="fig">
              MACs
            </th>
            <th scope="col" class="fig">
              Parameters
            </th>
            <th scope="col" class="fig">
              Bits
            </th>
            <th scope="col" class="fig">
              Spread
            </th>
            {measured && (
              <th scope="col" class="fig">
                SQNR
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {view.layers.map((layer, index) => {
            const { macs, sqnrDb } = figures[index] ?? {}
            return (
              <tr key={layer.name} class={index === picked ? 'picked' : ''}>
                <td class="fig">{index + 1}</td>
                <td>
                  <button type="button" class="link" onClick={() => onPick(index)}>
                    {layer.name}
                  </button>
                </td>
                <td>{layer.op}</td>
                <td class="fig">{macs === undefined ? notMeasured : formatCount(macs)}</td>
                <td class="fig">{formatCount(layer.parameters)}</td>
                <td class="fig">{layer.bits ?? notMeasured}</td>
                <td class="fig">{layer.rangeSpread === undefined ? notMeasured : formatFactor(layer.rangeSpread)}</td>
                {measured && <td class="fig">{formatDb(sqnrDb)}</td>}
              </tr>
            )
          })}
        </tbody>
      </table>
    </Scroll>
  )
}
