// Two runs side by side, on the same axes.
import {
  barChart,
  formatBytes,
  formatCosine,
  formatDb,
  formatDifference,
  formatMetric,
  formatMs,
  formatPercent,
  lineChart,
  notMeasured,
  type Report,
  resultOf,
  type VariantRow,
} from '../../../src/report/index.ts'
import { get } from '../api.ts'
import { useLoaded } from '../hooks.ts'
import { Chart } from '../parts/chart.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { linkTo } from '../route.ts'
import { useStore } from '../store.ts'

export function ComparePage({ ids }: { readonly ids: readonly [string, string] }) {
  const { runs } = useStore()
  const { value, problem } = useLoaded(ids.join('/'), async (signal) =>
    Promise.all(ids.map((id) => get<Report>(`runs/${id}/report`, signal))),
  )
  const [a, b] = value ?? []
  if (problem !== undefined)
    return (
      <section class="card">
        <p class="problem">{problem}</p>
      </section>
    )
  if (a === undefined || b === undefined) return null
  const names = ids.map((id, index) => runs.get(id)?.name ?? `run ${index + 1}`)
  const rows = figuresOf(a, b)
  return (
    <>
      <section class="card">
        <h1>Side by side</h1>
        <div class="sides">
          {[a, b].map((report, index) => (
            <article key={ids[index]} class={`side ${report.verdict.tone}`}>
              <p class="over">
                {index === 0 ? 'A' : 'B'} · <a href={linkTo('run', [ids[index] ?? ''])}>{names[index]}</a>
              </p>
              <h2>{report.verdict.headline}</h2>
              <p class="quiet">{report.title}</p>
            </article>
          ))}
        </div>
        <Scroll label="Figures">
          <table>
            <thead>
              <tr>
                <th scope="col">Figure</th>
                <th scope="col" class="fig">
                  A
                </th>
                <th scope="col" class="fig">
                  B
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(([name, left, right]) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td class="fig">{left}</td>
                  <td class="fig">{right}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <h2>Different in their recipes</h2>
        <Differences a={a.recipe} b={b.recipe} />
      </section>
      <section class="card">
        <h2>How exact each layer still is</h2>
        <DepthChart a={a} b={b} />
        <div class="sides">
          {[a, b].map((report, index) => (
            <TechniqueChart key={ids[index]} report={report} name={index === 0 ? 'A' : 'B'} />
          ))}
        </div>
      </section>
    </>
  )
}

function figuresOf(a: Report, b: Report): [string, string, string][] {
  const both = [resultOf(a), resultOf(b)]
  const row = (name: string, show: (row: VariantRow) => string | undefined): [string, string, string] => {
    const [left = notMeasured, right = notMeasured] = both.map((one) => one && show(one))
    return [name, left, right]
  }
  return [
    row('size', ({ sizeBytes }) => (sizeBytes === undefined ? undefined : formatBytes(sizeBytes))),
    row('latency', ({ latencyMs, latencySpreadMs }) =>
      latencyMs === undefined ? undefined : formatMs(latencyMs, latencySpreadMs),
    ),
    row('metric', ({ metric }) => metric && `${metric.name} ${formatMetric(metric)}`),
    row('against the original', ({ metric }) => metric && formatDifference(metric)),
    row('agreement', ({ agreement }) => (agreement === undefined ? undefined : formatPercent(agreement))),
    row('cosine', ({ similarity }) => similarity && formatCosine(similarity.pooled.value)),
    row('SQNR', ({ sqnrDb }) => formatDb(sqnrDb)),
    row('layers in integers', ({ integerLayers, totalLayers }) =>
      integerLayers === undefined ? undefined : `${integerLayers} of ${totalLayers}`,
    ),
  ].filter(([, left, right]) => left !== notMeasured || right !== notMeasured) as [string, string, string][]
}

function Differences({ a, b }: { readonly a: unknown; readonly b: unknown }) {
  const [left, right] = [a, b].map((recipe) => (typeof recipe === 'object' && recipe !== null ? recipe : {})) as Record<
    string,
    unknown
  >[]
  const keys = [...new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])]
  const different = keys.filter(
    (key) => key !== 'output' && JSON.stringify(left?.[key]) !== JSON.stringify(right?.[key]),
  )
  if (different.length === 0) return <p class="quiet">Nothing but where they were written.</p>
  return (
    <table class="slim">
      <tbody>
        {different.map((key) => (
          <tr key={key}>
            <th scope="row">{key}</th>
            <td>{JSON.stringify(left?.[key]) ?? notMeasured}</td>
            <td>{JSON.stringify(right?.[key]) ?? notMeasured}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function DepthChart({ a, b }: { readonly a: Report; readonly b: Report }) {
  const other = new Map(b.layers.map((layer) => [layer.name, layer.sqnrDb]))
  if (!a.layers.some((layer) => layer.sqnrDb !== undefined))
    return <p class="quiet">The SQNR of layers was not measured.</p>
  const svg = lineChart({
    points: a.layers.map((layer, index) => ({
      value: layer.sqnrDb,
      title: `${index + 1} ${layer.name}: A ${formatDb(layer.sqnrDb)}, B ${formatDb(other.get(layer.name))}`,
      ...(layer.integer === false && { hollow: true }),
    })),
    second: { name: 'B', values: a.layers.map((layer) => other.get(layer.name)) },
    label: 'SQNR of each layer, A as dots, B as a dotted line.',
    xAxis: 'layer, in graph order',
    yAxis: 'SQNR (dB); dots: A, dotted: B',
    ceiling: 'exact',
  })
  return <Chart svg={svg} />
}

function TechniqueChart({ report, name }: { readonly report: Report; readonly name: string }) {
  const techniques = (report.ladder ?? []).filter(
    (row) => typeof row.sqnrDb === 'number' && Number.isFinite(row.sqnrDb),
  )
  if (techniques.length === 0) return null
  const rows = techniques.map((row) => ({
    label: `${row.kept ? '✓' : '✕'} ${row.name}`,
    value: Math.max(0, row.sqnrDb ?? 0),
    text: formatDb(row.sqnrDb),
    strong: row.kept,
  }))
  return (
    <figure>
      <figcaption>Techniques of {name}</figcaption>
      <Chart svg={barChart({ rows, label: `Techniques of ${name}`, axis: 'SQNR (dB)' })} />
    </figure>
  )
}
