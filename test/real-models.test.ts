import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { RefusedError } from '../src/base/index.ts'
import { pruneChannels } from '../src/compress/index.ts'
import { sqnrDb } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layersOf, type Model, macsOf, opsetOf, type Shapes, type Statistics, writeModel } from '../src/onnx/index.ts'
import { passes } from '../src/rewrite/index.ts'
import { observe, observeShapes, type Values } from '../src/runtime/index.ts'
import { exampleFeeds, manifestEntries, noModels, sharedFolder } from './support/manifest.ts'
import { run, testRuntime } from './support/rewrite-conformance.ts'

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

/** Of the multiplications. */
const RATIO = 0.85

const countMacs = (model: Model, shapes: Shapes) =>
  layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)

describe('real models', async () => {
  if (noModels) {
    it('keep their function in all passes and are pruned', { skip: noModels }, () => {})
    return
  }
  const runtime = await testRuntime()
  for (const entry of manifestEntries().filter(({ loads }) => loads)) {
    let rewritten: { readonly model: Model; readonly shapes: Shapes } | undefined
    it(`${entry.file} keeps its function in all passes, and no BatchNormalization is left`, async () => {
      const original = await readModelFile(join(sharedFolder, 'models', entry.file))
      const bytes = writeModel(original)
      const feeds = exampleFeeds(entry)
      const expected = await run(original, feeds)
      const sigmoids = new Set(
        original.graph.nodes.filter((node) => node.opType === 'Sigmoid').flatMap((node) => node.outputs),
      )
      let model = original
      let shapes = (await observe(runtime, model, feeds)).shapes
      let statistics: Statistics = new Map()
      for (const pass of passes) {
        const result = pass.apply(model, { shapes, statistics })
        assert.equal(result.model === model, result.changes.length === 0, `${pass.name}: changed means said`)
        if (result.model === model) continue
        model = result.model
        const seen = await observe(runtime, model, feeds)
        assertSame(expected, seen.outputs, pass.boundDb, sigmoids, pass.name)
        shapes = seen.shapes
        statistics = result.statistics
      }
      assert.deepEqual(writeModel(original), bytes)
      assert.deepEqual(model.graph.outputs, original.graph.outputs)
      assert.equal(count(model, 'BatchNormalization'), 0)
      assert.ok(opsetOf(model) >= 13)
      const values = new Set(model.graph.nodes.flatMap((node) => node.outputs))
      for (const name of statistics.keys()) assert.ok(values.has(name), `statistics of "${name}", which is gone`)
      rewritten = { model, shapes }
    })

    it(`${entry.file}, rewritten, runs with fewer channels, or says what holds them`, async () => {
      assert.ok(rewritten, 'the passes went through')
      const { model, shapes } = rewritten
      rewritten = undefined
      const sample = exampleFeeds(entry)
      try {
        const pruned = await pruneChannels(runtime, model, { sample, ratio: RATIO })
        const left = await observeShapes(runtime, pruned.model, sample)
        const share = countMacs(pruned.model, left) / countMacs(model, shapes)
        assert.ok(share <= RATIO && share > RATIO - 0.05, `${share}`)
        assert.ok(Math.abs(share - pruned.ratio) < 1e-9, `${share} is delivered, ${pruned.ratio} is said`)
        for (const { name, reason } of pruned.closed) assert.ok(reason !== '', `${name} has a reason`)
        for (const { name } of model.graph.outputs)
          assert.deepEqual(left.get(name)?.dims, shapes.get(name)?.dims, `shape of the output ${name}`)
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error
        assert.match(error.message, /channels that must stay: .+: .+|no layer of the main graph/)
      }
    })
  }
})
