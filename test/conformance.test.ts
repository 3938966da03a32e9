import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noArchive, testNames, withTests } from '../bench/conformance/material.ts'
import { runTests, type TestRow } from '../bench/conformance/pool.ts'

/** Every how many tests one is run; `bench/conformance.ts` runs all of them. */
const EVERY = 32

describe("ONNX's backend tests", () => {
  it('go through read, write, rewrite and quantise without a difference, a crash or a hang', {
    skip: noArchive,
  }, async () => {
    await withTests(async (folder) => {
      const names = testNames(folder).filter((_, index) => index % EVERY === 0)
      const rows: TestRow[] = []
      for await (const some of runTests(folder, names)) rows.push(...some)
      const wrong = rows.filter(({ outcome }) => !['same', 'refused', 'skipped'].includes(outcome))
      assert.deepEqual(
        wrong.map(({ test, variant, step, outcome, note }) => `${outcome}: ${test} (${variant}), ${step}: ${note}`),
        [],
      )
      const same = (step: string) => rows.filter((row) => row.step === step && row.outcome === 'same').length
      assert.ok(same('write') > names.length && same('rewrite') > names.length, `${rows.length} rows`)
    })
  })
})
