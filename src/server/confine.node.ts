// Paths that come from the page lead only into folders that were named on start.
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { UsageError } from '../base/index.ts'

/** The folders that were named on start, by their real paths; the first is where new runs go. */
export class Folders {
  readonly roots: readonly string[]

  /** @throws UsageError when a folder does not exist */
  constructor(folders: readonly string[]) {
    this.roots = folders.map((folder) => {
      if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder}`)
      return realpathSync(resolve(folder))
    })
  }

  /**
   * The real path of `path`, relative ones from the first folder. It need not exist, but where it would lie must be inside.
   * @throws UsageError when it leads out, also through a symbolic link
   */
  confine(path: string): string {
    if (path.includes('\0')) throw new UsageError('a path must not hold a zero byte')
    const real = realOf(isAbsolute(path) ? resolve(path) : resolve(this.roots[0] ?? '.', path))
    if (this.holds(real)) return real
    throw new UsageError(
      `${path} is outside of the folders of this studio (${this.roots.join(', ')}); start it with that folder too`,
      { code: 'outside-folders' },
    )
  }

  holds(real: string): boolean {
    return this.roots.some((root) => real === root || real.startsWith(root.endsWith(sep) ? root : root + sep))
  }

  /**
   * A recipe whose every path is confined and absolute, so that it means the same wherever it runs. In a field of free text
   * a path is what has a separator, begins with a dot, or names something that exists.
   */
  confineRecipe(recipe: Readonly<Record<string, unknown>>, freeText: ReadonlySet<string>): Record<string, unknown> {
    const entries = Object.entries(recipe).map(([key, value]) => {
      if (typeof value === 'string')
        return [key, freeText.has(key) && this.#isPath(value) ? this.confine(value) : value]
      // Lists hold patterns of node names, which may look like paths ("/model/conv1"): only those that exist are meant.
      if (Array.isArray(value)) {
        for (const item of value)
          if (typeof item === 'string' && isAbsolute(item) && existsSync(item)) this.confine(item)
      }
      return [key, value]
    })
    return Object.fromEntries(entries)
  }

  #isPath(text: string): boolean {
    return /[\\/\0]|^\./.test(text) || existsSync(resolve(this.roots[0] ?? '.', text))
  }
}

/** The real path of something that may not exist yet: that of its nearest folder that does. */
function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    return folder === path ? path : join(realOf(folder), basename(path))
  }
}
