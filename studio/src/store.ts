// The page's state: what the server told so far. Components read it with `useStore` and are drawn again when it changes.
import { useEffect, useState } from 'preact/hooks'
import { get, listen } from './api.ts'
import type { ProgressEvent, Run, RunMessage, RunNews, Session } from './types.ts'

export interface State {
  readonly session: Session | undefined
  readonly runs: ReadonlyMap<string, Run>
  readonly events: ReadonlyMap<string, readonly ProgressEvent[]>
  readonly connected: boolean
  /** A failure that concerns the whole page. */
  readonly problem: string | undefined
}

let state: State = { session: undefined, runs: new Map(), events: new Map(), connected: true, problem: undefined }
const readers = new Set<() => void>()

function change(part: Partial<State>): void {
  state = { ...state, ...part }
  for (const reader of readers) reader()
}

/** The state, kept fresh. */
export function useStore(): State {
  const [shown, show] = useState(state)
  useEffect(() => {
    const reader = (): void => show(state)
    readers.add(reader)
    reader()
    return () => void readers.delete(reader)
  }, [])
  return shown
}

/** Loads the session and the runs, and keeps listening. */
export async function begin(): Promise<void> {
  try {
    const session = await get<Session>('session')
    change({ session })
  } catch (error) {
    change({ problem: error instanceof Error ? error.message : String(error) })
    return
  }
  const hear = (event: string, data: unknown): void => {
    if (event === 'open') void refresh()
    const news = { type: event, ...(data as object) } as RunNews
    if (news.type === 'run') keepRun(news.run)
    if (news.type === 'events') keepEvents(news)
  }
  void listen(hear, (connected) => change({ connected }), new AbortController().signal)
}

async function refresh(): Promise<void> {
  const runs = await get<Run[]>('runs')
  change({ runs: new Map(runs.map((run) => [run.id, run])) })
}

export function keepRun(run: Run): void {
  change({ runs: new Map(state.runs).set(run.id, run) })
}

type EventsNews = Extract<RunNews, { type: 'events' }>

/** News that came while runs were being fetched: the answer may be older than they are. */
const fetching = new Set<{ readonly id: string; readonly missed: EventsNews[] }>()

function keepEvents(news: EventsNews): void {
  const { id, start, events } = news
  for (const fetched of fetching) if (fetched.id === id) fetched.missed.push(news)
  const known = state.events.get(id)
  // Events that came before this page looked are fetched by whoever needs them.
  if (known === undefined && start > 0) return
  change({ events: new Map(state.events).set(id, [...(known ?? []).slice(0, start), ...events]) })
}

let offered: Readonly<Record<string, unknown>> | undefined

/** Keeps a recipe that was dropped, for the form that is opened next. */
export function offerRecipe(recipe: Readonly<Record<string, unknown>>): void {
  offered = recipe
}

/** The recipe that was dropped last. */
export function offeredRecipe(): Readonly<Record<string, unknown>> | undefined {
  return offered
}

/** Fetches a run with all of its events. */
export async function loadRun(id: string): Promise<unknown> {
  const fetched = { id, missed: [] as EventsNews[] }
  fetching.add(fetched)
  try {
    const { run, events, result } = await get<RunMessage>(`runs/${id}`)
    change({ runs: new Map(state.runs).set(id, run), events: new Map(state.events).set(id, events) })
    return result
  } finally {
    fetching.delete(fetched)
    for (const news of fetched.missed) keepEvents(news)
  }
}
