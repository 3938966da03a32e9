// Where a visit begins: open a model, or look at a run.
import { useState } from 'preact/hooks'
import { fileName } from '../app.tsx'
import { DropZone } from '../parts/drop-zone.tsx'
import { PathField } from '../parts/file-picker.tsx'
import { Limits } from '../parts/limits.tsx'
import { RunTable } from '../parts/run-table.tsx'
import { go, linkTo } from '../route.ts'
import { offerRecipe, useStore } from '../store.ts'

export function HomePage() {
  const { runs, session } = useStore()
  const [path, setPath] = useState('')
  const all = [...runs.values()].sort((a, b) => b.createdAt - a.createdAt)
  const recent = [...new Set(all.map(({ model }) => model))].slice(0, 6)
  const open = (model: string): void => go(linkTo('model', [model]))
  return (
    <>
      <section class="card">
        <h1>Open a model</h1>
        <form
          class="open"
          onSubmit={(event) => {
            event.preventDefault()
            if (path !== '') open(path)
          }}
        >
          <PathField
            value={path}
            onChange={(picked) =>
              picked.endsWith('.onnx') && picked !== path && path === '' ? open(picked) : setPath(picked)
            }
            label="model file"
          />
          <button class="main" type="submit" disabled={path === ''}>
            Open
          </button>
        </form>
        <DropZone
          onModel={(model, data) =>
            data === undefined ? open(model) : go(linkTo('new', [], { command: 'quantize', model, data }))
          }
          onData={(data) => go(linkTo('new', [], { data }))}
          onRecipe={(recipe) => {
            offerRecipe(recipe)
            go(linkTo('new', [], { recipe: 'dropped' }))
          }}
        />
        {recent.length > 0 && (
          <p class="recent">
            Recent:{' '}
            {recent.map((model) => (
              <a key={model} href={linkTo('model', [model])} title={model}>
                {fileName(model)}
              </a>
            ))}
          </p>
        )}
        {session?.place === 'page' ? (
          <Limits limits={session.limits} />
        ) : (
          <p class="quiet">
            This studio looks into {session?.folders.join(', ')} and nowhere else. Nothing leaves this machine.
          </p>
        )}
      </section>
      <section class="card">
        <h2>Runs</h2>
        {all.length === 0 ? (
          <p class="quiet">
            None yet. Open a model and quantise it
            {session?.place === 'page' ? (
              '.'
            ) : (
              <>
                , or start one in a terminal with <code>--run</code> and a folder in here: it appears by itself.
              </>
            )}
          </p>
        ) : (
          <RunTable runs={all} />
        )}
      </section>
    </>
  )
}
