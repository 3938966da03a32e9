import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readModelFile } from './files.node.ts'
import { cloneModel } from './model.ts'
import { printModel } from './print.ts'
import { readModel } from './read.ts'
import { writeModel } from './write.ts'

const shared = process.env['ONNXPRESS_SHARED'] ?? '../shared'
const manifest = join(shared, 'models', 'manifest.json')

describe('reading and writing', () => {
  if (!existsSync(manifest)) {
    it('is the identity on every model of the manifest', {
      skip: `no models at ${manifest}; the other tests do not need them`,
    }, () => {})
    return
  }
  const entries: { file: string }[] = JSON.parse(readFileSync(manifest, 'utf8'))
  for (const { file } of entries) {
    it(`is the identity on ${file}`, async () => {
      const model = await readModelFile(join(shared, 'models', file))
      const bytes = writeModel(model)
      const again = readModel(bytes)
      assert.equal(printModel(again), printModel(model))
      assert.deepEqual(writeModel(again), bytes)
      const started = performance.now()
      const copy = cloneModel(model)
      const ms = performance.now() - started
      assert.deepEqual(writeModel(copy), bytes)
      assert.ok(
        [...copy.graph.initializers].every(([name, tensor]) => model.graph.initializers.get(name) === tensor),
        `shared (${ms} ms)`,
      )
    })
  }
})
