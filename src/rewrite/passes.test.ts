import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { UsageError } from '../base/index.ts'
import { allPasses, listed, passes, passNamed } from './passes.ts'

const folder = new URL('.', import.meta.url)

describe('the list of passes', () => {
  it('has every file that defines a pass, under the name of the file', () => {
    const files = readdirSync(folder)
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'rewrite.ts')
      .filter((name) => readFileSync(new URL(name, folder), 'utf8').match(/defineRewrite\(\{|: SlowRewrite = \{/))
      .map((name) => name.slice(0, -'.ts'.length))
    assert.deepEqual(allPasses.map((pass) => pass.name).toSorted(), files.toSorted())
  })

  it('refuses a name that is listed twice', () => {
    assert.throws(() => listed([...passes, ...passes.slice(0, 1)]), /pass "inline-functions" is listed twice/)
  })

  it('finds a pass by its name and suggests one for a mistyped name', () => {
    assert.equal(passNamed('fold-batch-norm').name, 'fold-batch-norm')
    assert.throws(
      () => passNamed('fold-batchnorm'),
      (error) => error instanceof UsageError && /did you mean "fold-batch-norm"\?/.test(error.message),
    )
    assert.throws(() => passNamed('quantise-everything'), /the passes are inline-functions, float32-inside, name-nodes/)
  })
})
