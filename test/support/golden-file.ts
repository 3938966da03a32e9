// Compares a rendering with its committed file. UPDATE_GOLDEN=1 writes the files anew.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Asserts that `text` equals src/report/fixtures/`name`. */
export function assertGolden(name: string, text: string): void {
  const file = fileURLToPath(new URL(`../../src/report/fixtures/${name}`, import.meta.url))
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  assert.equal(text, readFileSync(file, 'utf8'), `${name} changed; look at it, then run the test with UPDATE_GOLDEN=1`)
}
