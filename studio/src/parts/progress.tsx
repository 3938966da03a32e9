// A run in progress: its steps, how far each came, how long it took, and curves of the figures that its messages name.
import { useEffect, useState } from 'preact/hooks'
import { formatNumber, formatSeconds, lineChart } from '../../../src/report/index.ts'
import type { ProgressEvent } from '../types.ts'
import { Chart } from './chart.tsx'
import { curvesOf } from './curves.ts'
import { Scroll } from './scroll.tsx'

interface Step {
  readonly name: string
  readonly first: number
  readonly last: ProgressEvent
}

export function Progress({
  events,
  running,
}: {
  readonly events: readonly ProgressEvent[]
  readonly running: boolean
}) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [running])
  const steps = stepsOf(events)
  const curves = [...curvesOf(events)].filter(([, points]) => points.length > 1)
  return (
    <>
      <Scroll label="Progress">
        <table class="steps">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Done</th>
              <th scope="col" class="fig">
                Time
              </th>
              <th scope="col">Last word</th>
            </tr>
          </thead>
          <tbody>
            {steps.map(({ name, first, last }, index) => {
              const end = steps[index + 1]?.first ?? (running ? now : last.at)
              const current = running && index === steps.length - 1
              const share = last.total > 0 ? (index < steps.length - 1 || !running ? 1 : last.done / last.total) : 0
              return (
                <tr key={`${name}-${first}`} aria-current={current ? 'step' : undefined}>
                  <td>{name}</td>
                  <td>
                    <progress max={1} value={share} aria-label={`${name}: ${last.done} of ${last.total}`} />{' '}
                    <span class="quiet">
                      {last.done}/{last.total}
                    </span>
                  </td>
                  <td class="fig">{formatSeconds(Math.max(0, end - first) / 1000)}</td>
                  <td class="words">{last.message ?? ''}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </Scroll>
      {curves.map(([name, points]) => (
        <Chart
          key={name}
          svg={lineChart({
            points: points.map(({ index, value }) => ({ value, title: `${index}: ${formatNumber(value)}` })),
            atLeast: 0,
            label: `${name}, ${points.at(-1)?.index} values, last ${formatNumber(points.at(-1)?.value ?? 0)}`,
            xAxis: 'in order',
            yAxis: name,
            width: 640,
            height: 220,
          })}
        />
      ))}
    </>
  )
}

/** Steps in the order they began; a step that comes back is a new line. */
function stepsOf(events: readonly ProgressEvent[]): Step[] {
  const steps: Step[] = []
  for (const event of events) {
    const last = steps.at(-1)
    if (last?.name === event.step) steps[steps.length - 1] = { ...last, last: event }
    else steps.push({ name: event.step, first: event.at, last: event })
  }
  return steps
}
