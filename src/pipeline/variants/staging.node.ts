// Files that are finished one by one and appear together: they lie in a folder of their own until the command has succeeded.
import { mkdirSync, rmdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { InputError, messageOf } from '../../base/index.ts'
import { removeTemporaries, withTemporary } from '../../onnx/index.node.ts'

const ENDING = ['SIGTERM', 'SIGHUP'] as const

/** `.onnxpress.HOST.PROCESS.tmp` */
const STAGING = /^\.onnxpress\.(.*)\.(\d+)\.tmp$/
/** Nothing is a day at work on one file: what was not touched for longer was left behind, on whatever machine. */
const ABANDONED_MS = 24 * 3600e3

const stagingName = () => `.onnxpress.${hostname()}.${process.pid}.tmp`

/** Those of this process, whose number an earlier one may have had. */
const own = new Set<string>()

/**
 * Gives `work` a folder for its files; when it ends well they move to `folder`, which is made where there is none. When it fails
 * nothing of it is left; what a run left that was killed is removed by the next one.
 * @throws InputError when the folder cannot be made
 */
export async function withStaging<T>(folder: string, work: (staging: string) => Promise<T>): Promise<T> {
  const made = madeFolders(folder)
  // Who is told to end takes along what is not finished; Ctrl-C ends the command in its own way.
  const end = (signal: NodeJS.Signals) => {
    removeTemporaries()
    for (const each of made) removeEmpty(each)
    process.kill(process.pid, signal)
  }
  for (const signal of ENDING) process.once(signal, end)
  try {
    await removeAbandoned(folder)
    const path = join(folder, stagingName())
    own.add(path)
    return await withTemporary(path, async (staging) => {
      await mkdir(staging)
      const result = await work(staging)
      // Data files first: whoever opens a model meanwhile finds what it refers to.
      const names = (await readdir(staging)).sort((a, b) => Number(a.endsWith('.onnx')) - Number(b.endsWith('.onnx')))
      for (const name of names) await rename(join(staging, name), join(folder, name))
      return result
    })
  } finally {
    own.delete(join(folder, stagingName()))
    for (const signal of ENDING) process.removeListener(signal, end)
    for (const each of made) removeEmpty(each)
  }
}

/** Removes what earlier runs left in a folder that could not tidy up. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, host, id] = STAGING.exec(name) ?? []
    if (id === undefined) continue
    const path = join(folder, name)
    const touched = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()
    const ended = host === hostname() && (Number(id) === process.pid ? !own.has(path) : !isRunning(Number(id)))
    if (ended || Date.now() - touched > ABANDONED_MS) await rm(path, { recursive: true, force: true })
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Makes a folder and what is missing above it; returns what was made, the innermost first. */
function madeFolders(folder: string): string[] {
  let first: string | undefined
  try {
    first = mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw new InputError(`cannot make the folder ${folder}: ${messageOf(error)}`, { file: folder }, error)
  }
  const made: string[] = []
  for (let at = resolve(folder); first !== undefined && at.length >= first.length; at = dirname(at)) made.push(at)
  return made
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Something lies in it: it stays.
  }
}
