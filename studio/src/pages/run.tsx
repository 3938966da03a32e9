// One run: live while it works, its report and model when it is done, and what to do next.
import { useEffect, useState } from 'preact/hooks'
import { formatSeconds } from '../../../src/report/index.ts'
import { post } from '../api.ts'
import { fileName } from '../app.tsx'
import { messageOf } from '../hooks.ts'
import { Progress } from '../parts/progress.tsx'
import { when } from '../parts/run-table.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { StateBadge } from '../parts/state-badge.tsx'
import { go, linkTo } from '../route.ts'
import { keepRun, loadRun, useStore } from '../store.ts'
import type { Run, TicketMessage } from '../types.ts'

export function RunPage({ id }: { readonly id: string }) {
  const { runs, events, connected, session } = useStore()
  const [problem, setProblem] = useState<string>()
  const [result, setResult] = useState<unknown>()
  const run = runs.get(id)
  useEffect(() => {
    loadRun(id).then(setResult, (error: unknown) => setProblem(messageOf(error)))
  }, [id, run?.state, connected])
  if (run === undefined)
    return <section class="card">{problem !== undefined && <p class="problem">{problem}</p>}</section>
  const act = async (what: string): Promise<void> => {
    setProblem(undefined)
    try {
      const changed = await post<Partial<Run>>(`runs/${id}/${what}`, {})
      if (changed.id === undefined) return
      keepRun(changed as Run)
      if (changed.id !== id) go(linkTo('run', [changed.id]))
    } catch (error) {
      setProblem(messageOf(error))
    }
  }
  const active = run.state === 'running' || run.state === 'queued'
  const seen = events.get(id) ?? []
  return (
    <>
      <section class="card">
        <p class="over">
          {run.command} · {run.name}
        </p>
        <h1 class={run.headline === undefined ? 'file' : ''}>{run.headline ?? fileName(run.model)}</h1>
        <p>
          <StateBadge state={run.state} /> {timeOf(run)}
        </p>
        {run.message !== undefined && <p class="problem">{run.message}</p>}
        <p class="actions">
          {active && (
            <button type="button" onClick={() => void act('cancel')}>
              Cancel
            </button>
          )}
          {run.output !== undefined && <TicketButton id={id} what="model" label="Download model" main />}
          {run.hasReport && <TicketButton id={id} what="report" label="Open report" />}
          {run.hasReport && session?.place === 'page' && (
            <TicketButton id={id} what="recipe" label="Download recipe with statistics" />
          )}
          {!active && (
            <button type="button" onClick={() => void act('resume')}>
              {run.state === 'done' || session?.place === 'page' ? 'Run again' : 'Resume'}
            </button>
          )}
          <a class="button" href={linkTo('new', [], { like: id })}>
            Change and run
          </a>
          <a class="button" href={linkTo('model', [run.model], run.hasReport ? { run: id } : {})}>
            Look at the model
          </a>
        </p>
        {problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
      </section>
      {(active || seen.length > 0) && (
        <section class="card">
          {active ? (
            <>
              <h2>Progress</h2>
              <Progress events={seen} running={run.state === 'running'} />
              {seen.length === 0 && (
                <p class="quiet">{run.state === 'queued' ? 'It waits for its turn.' : 'It starts …'}</p>
              )}
            </>
          ) : (
            <details open={!run.hasReport}>
              <summary>How it went, step by step</summary>
              <Progress events={seen} running={false} />
            </details>
          )}
        </section>
      )}
      {run.hasReport && !active && <ReportFrame id={id} key={run.endedAt} />}
      {!run.hasReport && result !== undefined && result !== null && (
        <section class="card">
          <h2>Result</h2>
          <Scroll label="Result">
            <pre>
              <code>{JSON.stringify(result, null, 2)}</code>
            </pre>
          </Scroll>
        </section>
      )}
    </>
  )
}

interface TicketButtonProps {
  readonly id: string
  readonly what: 'report' | 'model' | 'recipe'
  readonly label: string
  readonly main?: boolean
}

/** What a browser opens by itself cannot send the token: the link is made when it is asked for, and works once. */
function TicketButton({ id, what, label, main = false }: TicketButtonProps) {
  const open = async (): Promise<void> => {
    const { path, name } = await post<TicketMessage>(`runs/${id}/ticket`, { what })
    const link = document.createElement('a')
    link.href = path
    if (name !== undefined) link.download = name
    if (what === 'report') link.target = '_blank'
    link.rel = 'noopener'
    link.click()
  }
  return (
    <button type="button" class={main ? 'main' : ''} onClick={() => void open()}>
      {label}
    </button>
  )
}

/** The report itself, in a frame that may do no more than the page it is. */
function ReportFrame({ id }: { readonly id: string }) {
  const [path, setPath] = useState<string>()
  useEffect(() => {
    post<TicketMessage>(`runs/${id}/ticket`, { what: 'report' }).then(
      (ticket) => setPath(ticket.path),
      () => {},
    )
  }, [id])
  if (path === undefined) return null
  return <iframe class="report" title="Report of this run" src={path} sandbox="allow-scripts allow-popups" />
}

function timeOf({ startedAt, endedAt, createdAt }: Run): string {
  const begun = `${when(startedAt ?? createdAt)}`
  return startedAt !== undefined && endedAt !== undefined
    ? `${begun}, ${formatSeconds((endedAt - startedAt) / 1000)}`
    : begun
}
