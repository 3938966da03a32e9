// A model: its graph, its layers, and the pictures of the layer that was picked.
import { useEffect, useMemo, useState } from 'preact/hooks'
import {
  formatBytes,
  formatCount,
  formatDb,
  formatFactor,
  formatNumber,
  formatPlural,
  type LayerRow,
  layerPictures,
  notMeasured,
  type Report,
} from '../../../src/report/index.ts'
import { get, post } from '../api.ts'
import { collapse } from '../graph/collapse.ts'
import { GraphView } from '../graph/graph-view.tsx'
import { type LayerFigures, type ShadeName, shadeBoxes, shadesOf } from '../graph/shade.ts'
import { messageOf, useLoaded } from '../hooks.ts'
import { Scroll } from '../parts/scroll.tsx'
import { linkTo } from '../route.ts'
import { useStore } from '../store.ts'
import type { ModelView, NodeTimes } from '../types.ts'

/** More boxes than these, and repeats are folded at first. */
const manyBoxes = 120

export function ModelPage({ path, run }: { readonly path: string; readonly run: string | undefined }) {
  const query = `path=${encodeURIComponent(path)}`
  const view = useLoaded(path, (signal) => get<ModelView>(`model?${query}`, signal))
  // Costs need a run of the model: the drawing does not wait for them, and is not kept from its work by them.
  const costs = useLoaded(
    view.value?.path,
    (signal) => get<Record<string, number>>(`model/costs?${query}`, signal),
    400,
  )
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
  const [times, setTimes] = useState<NodeTimes>()
  const rows = useMemo(() => new Map(report?.layers.map((layer) => [layer.name, layer])), [report])
  const figures = useMemo(
    () =>
      view.layers.map((layer): LayerFigures => {
        const { sqnrDb } = rows.get(layer.name) ?? {}
        const cost = macs[layer.name]
        const latencyMs = times?.nodes[layer.name]
        return {
          ...layer,
          ...(cost === undefined ? {} : { macs: cost }),
          ...(sqnrDb === undefined ? {} : { sqnrDb }),
          ...(latencyMs === undefined ? {} : { latencyMs }),
        }
      }),
    [view, macs, rows, times],
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
            <Latency
              path={view.path}
              onMeasured={(measured) => {
                setTimes(measured)
                setShade('latency')
              }}
            />
          </p>
          {times !== undefined && <TimesNote times={times} layers={figures} />}
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

interface LatencyProps {
  readonly path: string
  readonly onMeasured: (times: NodeTimes) => void
}

/** Measuring takes the machine for a moment: it is done when somebody asks, and not on a page without a server. */
function Latency({ path, onMeasured }: LatencyProps) {
  const { session, runs } = useStore()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  if (session?.place !== 'server') return null
  const atWork = [...runs.values()].some(({ state }) => state === 'running')
  const measure = (): void => {
    setBusy(true)
    setProblem(undefined)
    post<NodeTimes>('model/times', { path })
      .then(onMeasured, (error: unknown) => setProblem(messageOf(error)))
      .finally(() => setBusy(false))
  }
  return (
    <>
      <button
        type="button"
        disabled={busy || atWork}
        title={
          atWork
            ? 'A run is under way: each would disturb the times of the other'
            : 'Runs the model 30 times on this machine'
        }
        onClick={measure}
      >
        {busy ? 'Measuring …' : 'Measure latency'}
      </button>
      {problem !== undefined && <span class="problem">{problem}</span>}
    </>
  )
}

/** What the layers' times are a part of. */
function TimesNote({ times, layers }: { readonly times: NodeTimes; readonly layers: readonly LayerFigures[] }) {
  const inLayers = layers.reduce((sum, { latencyMs = 0 }) => sum + latencyMs, 0)
  const share = times.totalMs > 0 ? Math.round((100 * inLayers) / times.totalMs) : 0
  return (
    <p class="quiet">
      Measured here, {formatPlural(times.threads, 'thread')}: {formatNumber(times.totalMs, 3)} ms in all kernels,{' '}
      {share} % of it in layers with what is fused into them.
    </p>
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
    ...(figures?.latencyMs === undefined
      ? []
      : ([['Latency', `${formatNumber(figures.latencyMs, 3)} ms`]] as [string, string][])),
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

/** Rows of the table that are there at once: a screen of them. The others follow when the graph has been drawn. */
const firstRows = 40

function LayerTable({ view, figures, picked, onPick }: LayerTableProps) {
  const [rows, setRows] = useState(firstRows)
  useEffect(() => {
    const timer = setTimeout(() => setRows(Number.POSITIVE_INFINITY), 100)
    return () => clearTimeout(timer)
  }, [])
  if (view.layers.length === 0)
    return <p class="quiet">No Conv, Gemm or MatMul with a constant weight in the main graph.</p>
  const measured = figures.some(({ sqnrDb }) => sqnrDb !== undefined)
  const timed = figures.some(({ latencyMs }) => latencyMs !== undefined)
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
            {timed && (
              <th scope="col" class="fig">
                Latency
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {view.layers.slice(0, rows).map((layer, index) => {
            const { macs, sqnrDb, latencyMs } = figures[index] ?? {}
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
                {timed && (
                  <td class="fig">{latencyMs === undefined ? notMeasured : `${formatNumber(latencyMs, 3)} ms`}</td>
                )}
              </tr>
            )
          })}
        </tbody>
      </table>
    </Scroll>
  )
}
