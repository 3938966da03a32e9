// The files that were dropped on the page: by group, as they came. They are read from the person's disk when they are needed.
import { InputError } from '../../../src/base/index.ts'
import type { FileEntry, FileListing } from '../types.ts'

/** What the page calls the place of all files. */
export const ROOT = 'dropped'

const kinds: readonly (readonly [pattern: RegExp, kind: FileEntry['kind']])[] = [
  [/\.onnx$/i, 'model'],
  [/\.json$/i, 'data'],
  [/\.(jpe?g|png|webp)$/i, 'picture'],
]

export function kindOf(name: string): FileEntry['kind'] {
  return kinds.find(([pattern]) => pattern.test(name))?.[1] ?? 'other'
}

export class Files {
  readonly #groups = new Map<string, Map<string, File>>()

  /** @returns the path of the file from now on */
  add(file: File, group: string): string {
    const files = this.#groups.get(group) ?? new Map<string, File>()
    files.set(file.name, file)
    this.#groups.set(group, files)
    return `${ROOT}/${group}/${file.name}`
  }

  /**
   * A file by its path; or, from a recipe that was written elsewhere, by its name alone, when only one file has it.
   * @throws InputError when there is none
   */
  get(path: string): { readonly file: File; readonly path: string } {
    const [, group = '', name = ''] = new RegExp(`^${ROOT}/([^/]+)/(.+)$`).exec(path) ?? []
    const found = this.#groups.get(group)?.get(name)
    if (found) return { file: found, path }
    const last = path.split(/[\\/]/).at(-1) ?? path
    const same = [...this.#groups].flatMap(([key, files]) => {
      const file = files.get(last)
      return file ? [{ file, path: `${ROOT}/${key}/${last}` }] : []
    })
    const [only, another] = same.reverse()
    if (only && !another) return only
    throw new InputError(
      only
        ? `${last} was dropped more than once; choose one of ${same.map((one) => one.path).join(', ')}`
        : `there is no file ${path} on this page: drop it here`,
      { file: path },
    )
  }

  /** The files that were dropped together with one. */
  beside(path: string): ReadonlyMap<string, File> {
    const group = path.split('/')[1] ?? ''
    return this.#groups.get(group) ?? new Map()
  }

  /** The pictures of a group, by name. @throws InputError when there are none */
  pictures(path: string): { readonly name: string; readonly files: ReadonlyMap<string, File> } {
    const group = path.startsWith(`${ROOT}/`) ? (path.split('/')[1] ?? '') : path
    const all = [...(this.#groups.get(group) ?? [])].filter(([name]) => kindOf(name) === 'picture')
    if (all.length === 0)
      throw new InputError(`there are no pictures at ${path}: drop some .jpg, .png or .webp files on the page`)
    return { name: group, files: new Map(all.sort(([a], [b]) => (a < b ? -1 : 1))) }
  }

  list(path: string): FileListing {
    const group = path.startsWith(`${ROOT}/`) ? (path.split('/')[1] ?? '') : undefined
    const files = group === undefined ? undefined : this.#groups.get(group)
    if (group === undefined || files === undefined) {
      const entries = [...this.#groups].map(([name, inside]): FileEntry => {
        const [only] = inside.values()
        // A model that was dropped alone is shown as itself.
        if (inside.size === 1 && only) return entryOf(`${ROOT}/${name}/${only.name}`, only)
        return { name: `${name}, ${inside.size} files`, path: `${ROOT}/${name}`, kind: 'folder' }
      })
      return { path: ROOT, entries, more: 0 }
    }
    const entries = [...files].map(([name, file]) => entryOf(`${ROOT}/${group}/${name}`, file))
    return {
      path: `${ROOT}/${group}`,
      parent: ROOT,
      entries: entries.slice(0, 500),
      more: Math.max(0, entries.length - 500),
    }
  }
}

function entryOf(path: string, file: File): FileEntry {
  return { name: file.name, path, kind: kindOf(file.name), sizeBytes: file.size }
}
