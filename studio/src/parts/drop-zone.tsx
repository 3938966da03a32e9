// Files dropped on the page, or chosen: a model opens, pictures become a folder of samples. They stay on this machine.
import { useRef, useState } from 'preact/hooks'
import { upload } from '../api.ts'
import { messageOf } from '../hooks.ts'

export interface DropZoneProps {
  /** What can be dropped, in words. */
  readonly what?: string
  /** A model, and the pictures that were dropped with it. */
  readonly onModel: (path: string, data?: string) => void
  readonly onData: (folder: string) => void
  /** A recipe, as it was written. */
  readonly onRecipe: (recipe: Readonly<Record<string, unknown>>) => void
}

export function DropZone({ what = 'an .onnx file, pictures or a recipe', onModel, onData, onRecipe }: DropZoneProps) {
  const [over, setOver] = useState(false)
  const [word, setWord] = useState<string>()
  const input = useRef<HTMLInputElement>(null)

  const take = async (files: readonly File[]): Promise<void> => {
    const group = `drop-${Date.now().toString(36)}`
    try {
      let model: string | undefined
      let folder: string | undefined
      let recipe: Readonly<Record<string, unknown>> | undefined
      for (const [index, file] of files.entries()) {
        setWord(`Copying ${file.name} (${index + 1} of ${files.length}) …`)
        const written = await recipeIn(file)
        if (written !== undefined) {
          recipe = written
          continue
        }
        const path = await upload(file, group)
        if (/\.onnx$/i.test(path)) model ??= path
        else if (!/\.data$/i.test(path)) folder ??= path.replace(/[\\/][^\\/]*$/, '')
      }
      setWord(undefined)
      if (recipe !== undefined) onRecipe(model === undefined ? recipe : { ...recipe, model })
      else if (model !== undefined) onModel(model, folder)
      else if (folder !== undefined) onData(folder)
    } catch (error) {
      setWord(messageOf(error))
    }
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way; the button does the same
    <div
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        void take([...(event.dataTransfer?.files ?? [])])
      }}
    >
      <p>
        Drop {what} here, or{' '}
        <button type="button" onClick={() => input.current?.click()}>
          choose files
        </button>
      </p>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => void take([...(event.currentTarget.files ?? [])])}
      />
      {word !== undefined && <p role="status">{word}</p>}
    </div>
  )
}

/** The recipe that a JSON file holds, or the run of one whose statistics it holds; undefined for any other file. */
async function recipeIn(file: File): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!/\.json$/i.test(file.name)) return undefined
  const json: unknown = await file.text().then(JSON.parse, () => undefined)
  if (typeof json !== 'object' || json === null) return undefined
  if ('command' in json && typeof json.command === 'string') return { ...json }
  return 'kind' in json && json.kind === 'onnxpress-statistics' ? { command: 'quantize', statistics: json } : undefined
}
