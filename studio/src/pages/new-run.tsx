// A run built by form: what it asks for, the command line that means the same, and the button that starts it.
import { useMemo, useState } from 'preact/hooks'
import { post } from '../api.ts'
import { messageOf, useLoaded } from '../hooks.ts'
import { DropZone } from '../parts/drop-zone.tsx'
import { commandsOf, fieldsOf, recipeOf, type Values, valuesOf } from '../parts/fields.ts'
import { RecipeForm } from '../parts/recipe-form.tsx'
import { go, linkTo } from '../route.ts'
import { keepRun, offeredRecipe, useStore } from '../store.ts'
import type { Run, Session } from '../types.ts'

export function NewRunPage({ query }: { readonly query: URLSearchParams }) {
  const { session, runs } = useStore()
  if (session === undefined) return null
  const recipe = query.has('recipe') ? offeredRecipe() : runs.get(query.get('like') ?? '')?.recipe
  return <NewRun session={session} query={query} recipe={recipe} />
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
  const [carried, setCarried] = useState(() => carriedBy(recipe))
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const schema = commands.get(command)
  const all = useMemo(() => (schema ? fieldsOf(schema) : []), [schema, command])
  const fromStatistics = 'statistics' in carried || (values['statistics'] ?? '') !== ''
  const fields = all.filter(({ name }) => !(name in carried) && !(fromStatistics && name === 'data'))
  const built = schema ? { ...recipeOf(command, fields, schema, values), ...carried } : { command }
  const missing = fields.filter(({ required, name }) => required && (values[name] ?? '') === '')
  const key = missing.length === 0 ? JSON.stringify(built) : undefined
  const checked = useLoaded(key, (signal) => post<{ commandLine: string }>('recipe', built, signal), 250)

  const set = (name: string, value: string): void => setValues((before) => ({ ...before, [name]: value }))
  const take = (dropped: Readonly<Record<string, unknown>>): void => {
    setCommand(String(dropped['command']))
    setValues((before) => ({ ...before, ...initialValues(new URLSearchParams(), dropped) }))
    setCarried(carriedBy(dropped))
  }
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
        <DropZone
          what="a model, pictures to calibrate on, or a recipe"
          onModel={(path, data) => {
            set('model', path)
            if (data !== undefined) set('data', data)
          }}
          onData={(path) => set('data', path)}
          onRecipe={take}
        />
        {schema === undefined && (
          <p class="problem">
            {command} needs the command line{session.place === 'page' && ', or onnxpress studio'}: this page has no form
            for it.
          </p>
        )}
        <RecipeForm fields={fields} values={values} onChange={set} />
        {Object.keys(carried).length > 0 && (
          <p class="quiet">
            From the recipe as it was written: {Object.keys(carried).join(', ')}.{' '}
            {'statistics' in carried &&
              'The statistics take the place of samples, and give the same file again, byte for byte. '}
            <button type="button" onClick={() => setCarried({})}>
              Do without
            </button>
          </p>
        )}
        {command !== 'rewrite' && !fromStatistics && (values['data'] ?? '') === '' && (
          <p class="quiet">
            No samples at hand?{' '}
            <button type="button" onClick={() => set('data', 'random')}>
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
          <button
            class="main"
            type="submit"
            disabled={busy || schema === undefined || missing.length > 0 || checked.problem !== undefined}
          >
            Start
          </button>
        </p>
      </form>
    </section>
  )
}

/** What the address says, else what an earlier run said – without its output, which is that run's. */
function initialValues(query: URLSearchParams, recipe: Readonly<Record<string, unknown>> | undefined): Values {
  const carried = carriedBy(recipe)
  const flat = Object.entries(recipe ?? {}).filter(([name]) => !(name in carried))
  const { output: _, version: __, command: ___, ...rest } = valuesOf(Object.fromEntries(flat))
  const given = [...query].filter(([name]) => name !== 'like' && name !== 'command' && name !== 'recipe')
  return { ...rest, ...Object.fromEntries(given) }
}

/** Fields of a recipe that no form can show: a preprocessing or statistics that are written out. */
function carriedBy(recipe: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(recipe).filter(([name, value]) => name !== 'shape' && isRecord(value)))
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
