// The frame of every page: where we are, what is running, and the page itself.
import { ComparePage } from './pages/compare.tsx'
import { HomePage } from './pages/home.tsx'
import { ModelPage } from './pages/model.tsx'
import { NewRunPage } from './pages/new-run.tsx'
import { RunPage } from './pages/run.tsx'
import { StateBadge } from './parts/state-badge.tsx'
import { linkTo, type Route, useRoute } from './route.ts'
import { useStore } from './store.ts'

export function App({ hasToken }: { readonly hasToken: boolean }) {
  const route = useRoute()
  const { session, runs, connected, problem } = useStore()
  const active = [...runs.values()].find(({ state }) => state === 'running')
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          onnxpress <span>studio</span>
        </a>
        <nav aria-label="Pages">
          <a href="#/">Models and runs</a>
          <a href={linkTo('new')}>New run</a>
        </nav>
        <p class="now" role="status">
          {!connected && <span class="lost">The server does not answer</span>}
          {active !== undefined && (
            <a href={linkTo('run', [active.id])}>
              <StateBadge state="running" /> {active.command} {fileName(active.model)}
            </a>
          )}
        </p>
      </header>
      <main tabIndex={-1}>
        {!hasToken || problem !== undefined ? (
          <section class="card">
            <h1>
              {hasToken && problem !== undefined && !/token/.test(problem)
                ? 'This page cannot begin'
                : 'This page needs its token'}
            </h1>
            <p>{problem ?? 'Open the address that onnxpress studio printed in its terminal.'}</p>
          </section>
        ) : (
          session !== undefined && <Page route={route} key={JSON.stringify([route.page, route.words])} />
        )}
      </main>
    </>
  )
}

function Page({ route }: { readonly route: Route }) {
  const [first = '', second = ''] = route.words
  if (route.page === 'model') return <ModelPage path={first} run={route.query.get('run') ?? undefined} />
  if (route.page === 'new') return <NewRunPage query={route.query} />
  if (route.page === 'run') return <RunPage id={first} />
  if (route.page === 'compare') return <ComparePage ids={[first, second]} />
  return <HomePage />
}

/** The last part of a path. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}
