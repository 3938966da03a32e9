// Files of one kind in a folder; or, where there are none, in its sub-folders, which are the classes.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { listFiles } from '../glob.node.ts'
import { type Source, withLabels } from '../source.ts'

export interface ClassFolders {
  /** Class of each file. */
  readonly labels: readonly number[]
  readonly classNames: readonly string[]
  readonly note: string
}

/** The files that are samples, sorted; with the class folders that they lie in, when none lies in the folder itself. */
export async function filesIn(
  folder: string,
  isSample: (name: string) => boolean,
): Promise<{ readonly files: readonly string[]; readonly classes?: ClassFolders }> {
  const here = (await listFiles(folder, false)).filter(isSample)
  if (here.length > 0) return { files: here }
  const classNames = await subFolders(folder)
  const files: string[] = []
  const labels: number[] = []
  for (const [label, className] of classNames.entries())
    for (const file of (await listFiles(join(folder, className), true)).filter(isSample)) {
      files.push(`${className}/${file}`)
      labels.push(label)
    }
  const note = `the ${classNames.length} sub-folders are the classes, in sorted order: 0 is "${classNames[0]}"`
  return { files, classes: { labels, classNames, note } }
}

/** A source of such files with their classes as labels. */
export function withClasses(source: Source, { labels, classNames }: ClassFolders): Source {
  return withLabels(source, async (index) => labels[index] ?? -1, { classes: classNames.length, classNames })
}

async function subFolders(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  const infos = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)))
  return names.filter((_, index) => infos[index]?.isDirectory())
}
