// The evaluation cache on disk: JSON lines, only ever appended, so that a killed search resumes where it was.
import { appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { type EvaluationCache, parseCacheLines } from './cache.ts'

/** Opens, or begins, a cache file. Each result is on disk before `put` returns. */
export function openCache(path: string): EvaluationCache {
  mkdirSync(dirname(path), { recursive: true })
  const entries = existsSync(path) ? parseCacheLines(readFileSync(path, 'utf8')) : new Map<string, unknown>()
  // After a torn line, the next one must not continue it.
  if (existsSync(path) && !endsWithNewline(path)) appendFileSync(path, '\n')
  return {
    get: (key) => entries.get(key),
    put: (key, value) => {
      const line = JSON.stringify([key, value])
      entries.set(key, (JSON.parse(line) as [string, unknown])[1])
      appendFileSync(path, `${line}\n`)
    },
  }
}

function endsWithNewline(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const last = Buffer.alloc(1)
    return size === 0 || (readSync(file, last, 0, 1, size - 1) === 1 && last[0] === 10)
  } finally {
    closeSync(file)
  }
}
