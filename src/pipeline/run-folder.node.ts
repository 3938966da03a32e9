// A run as a folder: recipe.json, status.json, events.jsonl, report.json, report.html, model.onnx. Whoever finds the folder
// later – a second terminal, the studio – can tell what was asked, how far it came and how it ended.
import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CancelledError, messageOf, OnnxpressError, type ProgressEvent } from '../base/index.ts'
import { writeFileAtomic } from '../onnx/index.node.ts'
import type { RunState } from './run-summary.ts'

/** What status.json says. Times are milliseconds since 1970. */
export interface RunStatus {
  readonly state: RunState
  /** The process that works on it, on `host`. */
  readonly pid?: number
  readonly host?: string
  readonly createdAt: number
  readonly startedAt?: number
  readonly endedAt?: number
  /** Why it failed, in one sentence. */
  readonly message?: string
  readonly exitCode?: number
}

/** Makes the folder of a run that has not started yet. */
export async function prepareRun(folder: string, recipe: unknown): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`)
  await writeStatus(folder, { state: 'queued', createdAt: Date.now() })
}

/** Does the work of a run and keeps status.json true while it lasts. Earlier events of the folder are dropped. */
export async function recordRun<T>(folder: string, recipe: unknown, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(join(folder, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`)
  writeFileSync(join(folder, 'events.jsonl'), '')
  const startedAt = Date.now()
  const createdAt = (await readStatus(folder))?.createdAt ?? startedAt
  const begun = { pid: process.pid, host: hostname(), createdAt, startedAt }
  await writeStatus(folder, { state: 'running', ...begun })
  try {
    const result = await work()
    await writeStatus(folder, { state: 'done', ...begun, endedAt: Date.now(), exitCode: 0 })
    return result
  } catch (error) {
    const state = error instanceof CancelledError ? 'cancelled' : 'failed'
    const exitCode = error instanceof OnnxpressError ? error.exitCode : 1
    await writeStatus(folder, { state, ...begun, endedAt: Date.now(), exitCode, message: messageOf(error) })
    throw error
  }
}

/** Adds an event of a run to its events.jsonl. */
export function recordEvent(folder: string, event: ProgressEvent): void {
  appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`)
}

/** Writes status.json of a run folder in full or not at all; times are milliseconds since 1970. */
export async function writeStatus(folder: string, status: RunStatus): Promise<void> {
  await writeFileAtomic(join(folder, 'status.json'), `${JSON.stringify(status)}\n`)
}

/** The status of a run folder; undefined when there is none, or none that can be read. */
export async function readStatus(folder: string): Promise<RunStatus | undefined> {
  const status = await readJson(join(folder, 'status.json'))
  if (typeof status !== 'object' || status === null || !('state' in status) || !('createdAt' in status))
    return undefined
  return status as RunStatus
}

/** Is the process of a running status still there? A process on another machine is taken at its word. */
export function isAlive({ pid, host }: RunStatus): boolean {
  if (pid === undefined) return false
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** A JSON file's content; undefined when it is missing or not JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined
  }
}
