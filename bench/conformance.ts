// ONNX's own backend tests through read and write, the default rewrites and quantisation, as a Markdown table; each test also
// with its inputs turned into constants, which exercises every folding rule.
// Usage: node --import tsx bench/conformance.ts [--effort default] [--keep FOLDER] [word…]   only tests whose name has a word
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { noArchive, testNames, withTests } from './conformance/material.ts'
import { runTests, type TestRow } from './conformance/pool.ts'
import { type Outcome, steps } from './conformance/run-case.ts'

const words = process.argv.slice(2)
const option = (name: string) => {
  const at = words.indexOf(name)
  return at === -1 ? undefined : words.splice(at, 2)[1]
}
const effort = option('--effort') === 'default' ? 'default' : 'fast'
const keep = option('--keep')

if (noArchive) {
  console.error(noArchive)
  process.exit(1)
}

const rows: TestRow[] = []
await withTests(async (folder) => {
  const names = testNames(folder).filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  for await (const some of runTests(folder, names, { effort }))
    for (const { written, ...row } of some) {
      rows.push(row)
      if (keep !== undefined && written) {
        mkdirSync(keep, { recursive: true })
        writeFileSync(join(keep, `${row.test}.${row.variant}.${row.step}.onnx`.replace(/[/ ]/g, '_')), written)
      }
      if (!['same', 'skipped', 'refused'].includes(row.outcome))
        console.error(`${row.outcome}: ${row.test} (${row.variant}), ${row.step}: ${row.note ?? ''}`)
    }
})

const outcomes: readonly Outcome[] = ['same', 'refused', 'skipped', 'different', 'failed', 'crashed', 'hung']
console.log(`| step | ${outcomes.join(' | ')} |`)
console.log(`|---|${outcomes.map(() => '---').join('|')}|`)
for (const step of steps) {
  const counts = outcomes.map((outcome) => rows.filter((row) => row.step === step && row.outcome === outcome).length)
  console.log(`| ${step} | ${counts.join(' | ')} |`)
}
list('refused', (row) => row.outcome === 'refused')
list('reverted by the proof', (row) => row.outcome === 'same' && row.note !== undefined)
list('skipped', (row) => row.outcome === 'skipped')

/** Notes with the tests that have them. */
function list(title: string, wanted: (row: TestRow) => boolean): void {
  const notes = new Map<string, Set<string>>()
  for (const row of rows.filter(wanted)) {
    const note = row.note ?? ''
    notes.set(note, (notes.get(note) ?? new Set()).add(row.test.replace(/^[^/]*\//, '')))
  }
  console.log(`\n## ${title}\n`)
  for (const [note, tests] of notes) console.log(`- ${note}: ${[...tests].join(', ')}`)
}
