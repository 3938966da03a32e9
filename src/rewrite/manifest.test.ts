import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { exampleFeeds, manifestEntries, noModels, sharedFolder } from '../../test/support/manifest.ts'
import { contextOf, run } from '../../test/support/rewrite-conformance.ts'
import { sqnrDb } from '../math/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { type Model, opsetOf, writeModel } from '../onnx/index.ts'
import type { Values } from '../runtime/index.ts'
import { passes } from './passes.ts'

/** What a Sigmoid gives near 0 is only right to a few float32 steps of 1: differences below this are none. */
const SIGMOID_STEP = 5e-7

function assertSame(expected: Values, got: Values, boundDb: number, sigmoids: ReadonlySet<string>, what: string): void {
  for (const [name, { data }] of Object.entries(expected)) {
    const [a, b] = [Array.from(data, Number), Array.from(got[name]?.data ?? [], Number)]
    const db = sqnrDb(a, b)
    const difference = a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? Number.NaN))), 0)
    assert.ok(
      db === null || db >= boundDb || (sigmoids.has(name) && difference <= SIGMOID_STEP),
      `${what}, ${name}: ${db} dB, ${difference}`,
    )
  }
}

const count = (model: Model, op: string) => model.graph.nodes.filter((node) => node.opType === op).length

describe('all passes in order', () => {
  if (noModels) {
    it('keep the function of real models', { skip: noModels }, () => {})
    return
  }
  for (const entry of manifestEntries().filter(({ loads }) => loads))
    it(`keep the function of ${entry.file} and leave no BatchNormalization`, async () => {
      const original = await readModelFile(join(sharedFolder, 'models', entry.file))
      const bytes = writeModel(original)
      const feeds = exampleFeeds(entry)
      const expected = await run(original, feeds)
      const sigmoids = new Set(
        original.graph.nodes.filter((node) => node.opType === 'Sigmoid').flatMap((node) => node.outputs),
      )
      let model = original
      let context = await contextOf(model, feeds)
      for (const pass of passes) {
        const result = pass.apply(model, context)
        assert.equal(result.model === model, result.changes.length === 0, `${pass.name}: changed means said`)
        if (result.model === model) continue
        model = result.model
        assertSame(expected, await run(model, feeds), pass.boundDb, sigmoids, pass.name)
        context = { ...(await contextOf(model, feeds)), statistics: result.statistics }
      }
      assert.deepEqual(writeModel(original), bytes)
      assert.deepEqual(model.graph.outputs, original.graph.outputs)
      assert.equal(count(model, 'BatchNormalization'), 0)
      assert.ok(opsetOf(model) >= 13)
      const values = new Set(model.graph.nodes.flatMap((node) => node.outputs))
      for (const name of context.statistics.keys())
        assert.ok(values.has(name), `statistics of "${name}", which is gone`)
    })
})
