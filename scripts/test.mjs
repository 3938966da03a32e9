// Runs every *.test.ts with node:test through tsx and ends with the line "N passed, N failed".
// Usage: node scripts/test.mjs [word…]   only files whose path contains one of the words
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const words = process.argv.slice(2)

const files = ['src', 'test', 'demo', 'bench', 'examples', 'studio']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(root, folder, String(name))),
  )
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => words.length === 0 || words.some((word) => relative(root, file).includes(word)))
  .sort()

if (files.length === 0) {
  console.error(`no test file matches ${words.join(', ')}`)
  process.exit(1)
}

const counts = { passed: 0, failed: 0, skipped: 0 }
const isTest = (event) => event.details?.type !== 'suite' && !files.includes(event.name)
process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, '--import=tsx'].filter(Boolean).join(' ')

const stream = run({ files, concurrency: Math.min(2, availableParallelism()) })
stream.on('test:pass', (event) => {
  if (!isTest(event)) return
  if (event.skip !== undefined) counts.skipped++
  else counts.passed++
})
stream.on('test:fail', (event) => {
  if (isTest(event) || event.details?.error?.failureType !== 'subtestsFailed') counts.failed++
})
stream.on('end', () => {
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  // The reporter's last lines may still be on their way: say the result after them.
  setTimeout(() => console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`), 50)
})
stream.compose(spec).pipe(process.stdout)
