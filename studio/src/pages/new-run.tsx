// A run built by form: what it asks for, the command line that means the same, and the button that starts it.
import { useMemo, useState } from 'preact/hooks'
import { post } from '../api.ts'
import { messageOf, useLoaded } from '../hooks.ts'
import { commandsOf, fieldsOf, recipeOf, type Values, valuesOf } from '../parts/fields.ts'
import { RecipeForm } from '../parts/recipe-form.tsx'
import { go, linkTo } from '../route.ts'
import { keepRun, useStore } from '../store.ts'
import type { Run, Session } from '../types.ts'

export function NewRunPage({ query }: { readonly query: URLSearchParams }) {
  const { session, runs } = useStore()
  if (session === undefined) return null
  const like = runs.get(query.get('like') ?? '')
  return <NewRun session={session} query={query} recipe={like?.recipe} />
}

interface NewRunProps {
  readonly session: Session
  readonly query: URLSearchParams
  readonly recipe: Readonly<Record<string, unknown>> | undefined
}

function NewRun({ session, query, recipe }: NewRunProps) {
  const commands = useMemo(() => commandsOf(session), [session])
  const [command, setCommand] = useState(String(recipe?.['command'] ?? query.get('command') ?? [...commands.keys()][0]))
  const [values, setValues] = useState<Values>(() => initialValues(query, recipe))
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const schema = commands.get(command)
  const fields = useMemo(() => (schema ? fieldsOf(schema, session.help[command] ?? {}) : []), [schema, command])
  const built = schema ? recipeOf(command, fields, schema, values) : { command }
  const missing = fields.filter(({ required, name }) => required && (values[name] ?? '') === '')
  const key = missing.length === 0 ? JSON.stringify(built) : undefined
  const checked = useLoaded(key, (signal) => post<{ commandLine: string }>('recipe', built, signal), 250)

  const start = async (): Promise<void> => {
    setBusy(true)
    setProblem(undefined)
    try {
      const run = await post<Run>('runs', built)
      keepRun(run)
      go(linkTo('run', [run.id]))
    } catch (error) {
      setProblem(messageOf(error))
      setBusy(false)
    }
  }
  return (
    <section class="card">
      <h1>New run</h1>
      <div class="commands" role="radiogroup" aria-label="Command">
        {[...commands.keys()].map((name) => (
          <label key={name} class={name === command ? 'chosen' : ''}>
            <input type="radio" name="command" checked={name === command} onChange={() => setCommand(name)} />
            {name}
          </label>
        ))}
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void start()
        }}
      >
        <RecipeForm
          fields={fields}
          values={values}
          onChange={(name, value) => setValues({ ...values, [name]: value })}
        />
        {command !== 'rewrite' && (values['data'] ?? '') === '' && (
          <p class="quiet">
            No samples at hand?{' '}
            <button type="button" onClick={() => setValues({ ...values, data: 'random' })}>
              Use random inputs
            </button>{' '}
            to see that the model goes through.
          </p>
        )}
        <h2>The same as a command</h2>
        <pre class="command" aria-live="polite">
          <code>
            {missing.length > 0
              ? `needs ${missing.map(({ label }) => label.toLowerCase()).join(' and ')}`
              : (checked.value?.commandLine ?? '…')}
          </code>
        </pre>
        {checked.problem !== undefined && missing.length === 0 && <p class="problem">{checked.problem}</p>}
        {problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <p class="actions">
          <button class="main" type="submit" disabled={busy || missing.length > 0 || checked.problem !== undefined}>
            Start
          </button>
        </p>
      </form>
    </section>
  )
}

/** What the address says, else what an earlier run said – without its output, which is that run's. */
function initialValues(query: URLSearchParams, recipe: Readonly<Record<string, unknown>> | undefined): Values {
  const { output: _, version: __, ...rest } = valuesOf(recipe ?? {})
  const given = [...query].filter(([name]) => name !== 'like' && name !== 'command')
  return { ...rest, ...Object.fromEntries(given) }
}
