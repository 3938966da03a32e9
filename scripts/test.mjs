// Runs every *.test.ts with node:test and ends with the line "N passed, N failed".
// Usage: node scripts/test.mjs [word…]   only files whose path contains one of the words
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { batchesOf, testFiles, writeBatch } from './test-batches.mjs'
import { bundle } from './test-bundle.mjs'

const words = process.argv.slice(2)
const files = testFiles(words)
if (files.length === 0) {
  console.error(`no test file matches ${words.join(', ')}`)
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-tests-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const batches = await bundle(
  folder,
  batchesOf(files).map((batch) => writeBatch(folder, batch)),
)

const counts = { passed: 0, failed: 0, skipped: 0 }
const isTest = (event) => event.details?.type !== 'suite' && !batches.includes(event.name)
process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, '--enable-source-maps'].filter(Boolean).join(' ')

// One more than two cores have to do: tests of pages wait more than they compute.
const stream = run({ files: batches, concurrency: availableParallelism() > 1 ? 3 : 1 })
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
