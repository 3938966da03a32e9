// All runs, the newest first; two can be ticked and compared.
import { useState } from 'preact/hooks'
import { formatSeconds } from '../../../src/report/index.ts'
import { fileName } from '../app.tsx'
import { go, linkTo } from '../route.ts'
import type { Run } from '../types.ts'
import { Scroll } from './scroll.tsx'
import { StateBadge } from './state-badge.tsx'

export function RunTable({ runs }: { readonly runs: readonly Run[] }) {
  const [ticked, tick] = useState<readonly string[]>([])
  const toggle = (id: string): void =>
    tick(ticked.includes(id) ? ticked.filter((other) => other !== id) : [...ticked.slice(-1), id])
  return (
    <>
      <p class="actions">
        <button type="button" disabled={ticked.length !== 2} onClick={() => go(linkTo('compare', ticked))}>
          Compare two
        </button>
        <span class="quiet">
          {ticked.length === 2 ? '' : 'Tick two finished runs with a report to see them side by side.'}
        </span>
      </p>
      <Scroll label="Runs">
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">Compare</span>
              </th>
              <th scope="col">Run</th>
              <th scope="col">State</th>
              <th scope="col">Result</th>
              <th scope="col">Started</th>
              <th scope="col" class="fig">
                Took
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.id}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Compare ${run.name}`}
                    disabled={!run.hasReport}
                    checked={ticked.includes(run.id)}
                    onChange={() => toggle(run.id)}
                  />
                </td>
                <td>
                  <a href={linkTo('run', [run.id])}>
                    {run.command} {fileName(run.model)}
                  </a>
                  <br />
                  <small>{run.name}</small>
                </td>
                <td>
                  <StateBadge state={run.state} />
                </td>
                <td class="words">{run.headline ?? run.message ?? ''}</td>
                <td class="tight">{when(run.startedAt ?? run.createdAt)}</td>
                <td class="fig">
                  {run.startedAt !== undefined && run.endedAt !== undefined
                    ? formatSeconds((run.endedAt - run.startedAt) / 1000)
                    : '–'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  )
}

/** A time of today, or a date. */
export function when(at: number): string {
  const date = new Date(at)
  const today = new Date().toDateString() === date.toDateString()
  return today
    ? date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
}
