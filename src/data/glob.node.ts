// Files by pattern, sorted: `*` and `?` within a name, `**` over folders, `{a,b}` alternatives.
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { InputError } from '../base/index.ts'

/** The pattern as a regular expression on relative paths with "/". */
export function globToRegExp(pattern: string): RegExp {
  let source = ''
  for (const part of pattern.replace(/^\.\//, '').split(/(\*\*\/|\*\*|\*|\?|\{[^{}]*\})/)) {
    if (part === '**/') source += '(?:[^/]+/)*'
    else if (part === '**') source += '.*'
    else if (part === '*') source += '[^/]*'
    else if (part === '?') source += '[^/]'
    else if (part.startsWith('{') && part.endsWith('}'))
      source += `(?:${part.slice(1, -1).split(',').map(literal).join('|')})`
    else source += literal(part)
  }
  return new RegExp(`^${source}$`)
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
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
  const expressions = patterns.map(globToRegExp)
  return files.filter((file) => expressions.some((expression) => expression.test(file)))
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
