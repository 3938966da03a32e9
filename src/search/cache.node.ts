// The evaluation cache on disk: JSON lines, only ever appended, so that a killed search resumes where it was.
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type EvaluationCache, parseCacheLines } from './cache.ts'

/** Opens, or begins, a cache file. A result is on disk when its `put` resolves. */
export function openCache(path: string): EvaluationCache {
  let opened: Promise<Map<string, unknown>> | undefined
  const entries = () => (opened ??= read(path))
  // Lines follow each other, whoever puts them.
  let written: Promise<void> = Promise.resolve()
  return {
    get: async (key) => (await entries()).get(key),
    put: async (key, value) => {
      const line = JSON.stringify([key, value])
      const known = await entries()
      known.set(key, (JSON.parse(line) as [string, unknown])[1])
      const before = written
      written = before.catch(() => {}).then(() => appendFile(path, `${line}\n`))
      await written
    },
  }
}

async function read(path: string): Promise<Map<string, unknown>> {
  await mkdir(dirname(path), { recursive: true })
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  // After a torn line, the next one must not continue it.
  if (text !== '' && !text.endsWith('\n')) await appendFile(path, '\n')
  return parseCacheLines(text)
}
