// A path, typed or picked from the folders of the studio.
import { useId, useRef, useState } from 'preact/hooks'
import { formatBytes } from '../../../src/report/index.ts'
import { get } from '../api.ts'
import { useLoaded } from '../hooks.ts'
import type { FileListing } from '../types.ts'

export interface PathFieldProps {
  readonly value: string
  readonly onChange: (path: string) => void
  readonly label: string
  /** Folders can be picked, not only files. */
  readonly folders?: boolean
  readonly id?: string
  readonly describedBy?: string
  readonly required?: boolean
}

export function PathField({ value, onChange, label, folders = false, id, describedBy, required }: PathFieldProps) {
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const close = (): void => {
    setOpen(false)
    button.current?.focus()
  }
  return (
    <div class="path">
      <input
        id={id}
        type="text"
        value={value}
        spellcheck={false}
        autocomplete="off"
        required={required}
        aria-label={id === undefined ? label : undefined}
        aria-describedby={describedBy}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <button
        type="button"
        ref={button}
        aria-expanded={open}
        aria-label={`Browse for ${label}`}
        onClick={() => setOpen(!open)}
      >
        Browse
      </button>
      {open && (
        <Browser
          start={folderOf(value)}
          folders={folders}
          onPick={(path) => {
            onChange(path)
            close()
          }}
          onClose={close}
        />
      )}
    </div>
  )
}

interface BrowserProps {
  readonly start: string
  readonly folders: boolean
  readonly onPick: (path: string) => void
  readonly onClose: () => void
}

function Browser({ start, folders, onPick, onClose }: BrowserProps) {
  const [path, setPath] = useState(start)
  const title = useId()
  const { value, problem } = useLoaded(path, (signal) =>
    get<FileListing>(`files?path=${encodeURIComponent(path)}`, signal),
  )
  // A typed path that is none: begin at the top.
  if (problem !== undefined && path !== '.') setPath('.')
  return (
    <section class="browser" aria-labelledby={title} onKeyDown={(event) => event.key === 'Escape' && onClose()}>
      <p id={title} class="where">
        {value?.path ?? path}
      </p>
      {problem !== undefined && <p class="problem">{problem}</p>}
      <ul>
        {value?.parent !== undefined && (
          <li>
            <button type="button" onClick={() => setPath(value.parent ?? '.')}>
              ↑ up
            </button>
          </li>
        )}
        {value?.entries.map((entry) => (
          <li key={entry.path}>
            <button type="button" onClick={() => (entry.kind === 'folder' ? setPath(entry.path) : onPick(entry.path))}>
              <span class={`kind ${entry.kind}`}>
                {entry.kind === 'folder' ? '▸ ' : ''}
                {entry.name}
              </span>
              <span class="size">{entry.sizeBytes === undefined ? '' : formatBytes(entry.sizeBytes)}</span>
            </button>
          </li>
        ))}
        {value !== undefined && value.more > 0 && <li class="quiet">and {value.more} more</li>}
      </ul>
      <p class="actions">
        {folders && value !== undefined && (
          <button type="button" class="main" onClick={() => onPick(value.path)}>
            Take this folder
          </button>
        )}
        <button type="button" onClick={onClose}>
          Close
        </button>
      </p>
    </section>
  )
}

/** The folder of a path; the first folder of the studio for none. */
function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return cut > 0 ? path.slice(0, cut) : '.'
}
