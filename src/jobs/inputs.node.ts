// The inputs of a job on their way into a store, and out of it into a folder where the job is done.
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { InputError } from '../base/index.ts'
import { prepareRun } from '../pipeline/index.node.ts'
import type { Job, JobInput } from './queue.ts'
import type { ContentStore } from './store.ts'

/**
 * Puts a file, or a folder with everything in it, into a store.
 * @param path what the recipe names
 * @param beside other files of its folder that belong to it, such as the external data of a model
 */
export async function storeInput(store: ContentStore, path: string, beside: readonly string[] = []): Promise<JobInput> {
  const isFolder = (await stat(path)).isDirectory()
  const folder = isFolder ? path : dirname(path)
  const names = isFolder ? await filesBelow(path) : [basename(path), ...beside]
  const files: Record<string, string> = {}
  for (const name of names) files[name] = await store.put(createReadStream(join(folder, name)))
  return { files, main: isFolder ? '' : basename(path) }
}

/** Files of a folder, with "/" in their paths, always in the same order. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).split(sep).filter(Boolean).join('/'))
    .sort()
}

/**
 * Makes a folder in which a job can be done: its inputs below `inputs/`, and a recipe that names them there.
 * @throws InputError when a path leads out of the folder, or the store lacks an input
 */
export async function layOut(job: Job, store: ContentStore, folder: string): Promise<void> {
  const recipe: Record<string, unknown> = { ...job.recipe }
  for (const [field, { files, main }] of Object.entries(job.inputs ?? {})) {
    const own = join(folder, 'inputs', inside(field, job))
    for (const [path, key] of Object.entries(files)) {
      const target = join(own, inside(path, job))
      await mkdir(dirname(target), { recursive: true })
      await fetchTo(store, key, target)
    }
    recipe[field] = main === '' ? own : join(own, inside(main, job))
  }
  await prepareRun(folder, recipe)
}

async function fetchTo(store: ContentStore, key: string, target: string): Promise<void> {
  const file = await open(target, 'w')
  try {
    for await (const chunk of store.get(key)) await file.writeFile(chunk)
  } finally {
    await file.close()
  }
}

/** A path that comes from elsewhere may only lead down. */
function inside(path: string, { id }: Job): string {
  const steps = path.split('/')
  if (path.includes('\\') || path.includes('\0') || steps.some((step) => ['', '.', '..'].includes(step)))
    throw new InputError(`job ${id} has an input at "${path}": a path below its folder was expected`)
  return join(...steps)
}
