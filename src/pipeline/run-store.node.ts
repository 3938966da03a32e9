// Finding runs again: every folder below some roots that a run has written to, with how it stands.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { ProgressEvent } from '../base/index.ts'
import { isAlive, type RunStatus, readJson, readStatus } from './run-folder.node.ts'
import type { RunSummary } from './run-summary.ts'

/** Folders looked into at most, and how deep below a root. */
const mostFolders = 5000
const deepest = 4
const skipped = new Set(['node_modules', '.git', 'cache'])

/** A stable name of a run folder that tells nothing about where it lies. */
export function runId(folder: string): string {
  return createHash('sha256').update(folder).digest('base64url').slice(0, 16)
}

/** Run folders below the roots, by their real paths. Symbolic links are not followed. */
export async function findRunFolders(roots: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  let looked = 0
  const visit = async (folder: string, depth: number): Promise<void> => {
    if (looked++ >= mostFolders) return
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    const names = new Set(entries.map((entry) => entry.name))
    if (names.has('recipe.json') && (names.has('status.json') || names.has('events.jsonl') || names.has('report.json')))
      return void found.add(folder)
    if (depth >= deepest) return
    for (const entry of entries) {
      if (entry.isDirectory() && !skipped.has(entry.name)) await visit(join(folder, entry.name), depth + 1)
    }
  }
  for (const root of roots) {
    const real = await realpath(root).catch(() => undefined)
    if (real !== undefined) await visit(real, 0)
  }
  return [...found].sort()
}

/** Verdicts by report file, so that a list does not read megabytes again and again. */
const verdicts = new Map<string, { readonly mtimeMs: number; readonly headline?: string; readonly tone?: string }>()

/** How a run folder stands; undefined when it is none. */
export async function readRun(folder: string): Promise<RunSummary | undefined> {
  const recipe = await readJson(join(folder, 'recipe.json'))
  if (!isRecord(recipe) || typeof recipe['command'] !== 'string' || typeof recipe['model'] !== 'string')
    return undefined
  const status = (await readStatus(folder)) ?? (await guessStatus(folder))
  const verdict = await verdictOf(join(folder, 'report.json'))
  const output = [recipe['output'], join(folder, 'model.onnx')].find(
    (path): path is string => typeof path === 'string' && existsSync(path),
  )
  const { state, createdAt, startedAt, endedAt, message } = status
  return {
    id: runId(folder),
    folder,
    name: basename(folder),
    state: state === 'running' && !isAlive(status) ? 'interrupted' : state,
    command: recipe['command'],
    model: recipe['model'],
    recipe,
    createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(message === undefined ? {} : { message }),
    ...(state === 'done' && verdict ? verdict : {}),
    hasReport: verdict !== undefined && state !== 'queued' && state !== 'running',
    ...(output !== undefined && state === 'done' ? { output } : {}),
  }
}

/** A folder without a status, as older versions wrote it: done when it has a report. */
async function guessStatus(folder: string): Promise<RunStatus> {
  const { birthtimeMs, mtimeMs } = await stat(join(folder, 'recipe.json'))
  const createdAt = birthtimeMs || mtimeMs
  return existsSync(join(folder, 'report.json'))
    ? { state: 'done', createdAt, endedAt: mtimeMs }
    : { state: 'failed', createdAt, message: 'the run left no report' }
}

async function verdictOf(file: string): Promise<{ headline?: string; tone?: string } | undefined> {
  const info = await stat(file).catch(() => undefined)
  if (info === undefined) return undefined
  let known = verdicts.get(file)
  if (known?.mtimeMs !== info.mtimeMs) {
    const report = await readJson(file)
    const verdict = isRecord(report) && isRecord(report['verdict']) ? report['verdict'] : {}
    const { headline, tone } = verdict
    known = {
      mtimeMs: info.mtimeMs,
      ...(typeof headline === 'string' ? { headline } : {}),
      ...(typeof tone === 'string' ? { tone } : {}),
    }
    verdicts.set(file, known)
  }
  const { mtimeMs: _, ...verdict } = known
  return verdict
}

/** Events of a run from byte `offset` on, and where the next ones will begin. A half-written line waits. */
export async function readEvents(
  folder: string,
  offset = 0,
): Promise<{ readonly events: readonly ProgressEvent[]; readonly offset: number }> {
  const file = await open(join(folder, 'events.jsonl')).catch(() => undefined)
  if (file === undefined) return { events: [], offset: 0 }
  try {
    const { size } = await file.stat()
    // The run began anew in the same folder.
    const from = size < offset ? 0 : offset
    const bytes = Buffer.alloc(size - from)
    await file.read(bytes, 0, bytes.length, from)
    const end = bytes.lastIndexOf(10) + 1
    const lines = bytes.subarray(0, end).toString('utf8').split('\n')
    return { events: lines.flatMap(parseEvent), offset: from + end }
  } finally {
    await file.close()
  }
}

function parseEvent(line: string): ProgressEvent[] {
  try {
    const event: unknown = JSON.parse(line)
    return isEvent(event) ? [event] : []
  } catch {
    return []
  }
}

function isEvent(value: unknown): value is ProgressEvent {
  return isRecord(value) && typeof value['step'] === 'string' && Number.isFinite(value['done'])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
