// Files by pattern, sorted: `*` and `?` within a name, `**` over folders, `{a,b}` alternatives.
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import picomatch from 'picomatch'
import { InputError } from '../base/index.ts'

/** Does a relative path with "/" fit the pattern? Other signs than those above stand for themselves. */
export function globMatcher(pattern: string): (path: string) => boolean {
  return picomatch(pattern.replace(/[()[\]!+@^$|\\]/g, '\\$&'), { dot: true, windows: false })
}

/**
 * All files below a folder, as relative paths with "/", sorted by code unit; hidden ones are left out, links followed
 * for files only.
 */
export async function listFiles(folder: string, recursive: boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive }).catch((error: unknown) => {
    throw new InputError(
      `cannot read the folder ${folder}: there is none or it is not readable`,
      { file: folder },
      error,
    )
  })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .filter((path) => !path.split('/').some((name) => name.startsWith('.')))
    .sort(byCodeUnit)
}

/** Files below a folder that match one of the patterns. */
export async function globFiles(folder: string, patterns: readonly string[]): Promise<string[]> {
  const files = await listFiles(
    folder,
    patterns.some((pattern) => pattern.includes('/')),
  )
  const matchers = patterns.map(globMatcher)
  return files.filter((file) => matchers.some((matches) => matches(file)))
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
