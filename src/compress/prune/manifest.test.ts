import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { exampleFeeds, manifestEntries, noModels, sharedFolder } from '../../../test/support/manifest.ts'
import { RefusedError } from '../../base/index.ts'
import { readModelFile } from '../../onnx/index.node.ts'
import { layersOf, type Model, macsOf, type Shapes } from '../../onnx/index.ts'
import { applyRewrites, passes } from '../../rewrite/index.ts'
import { openRuntime } from '../../runtime/index.node.ts'
import { observeShapes } from '../../runtime/index.ts'
import { pruneChannels } from './prune-channels.ts'

const countMacs = (model: Model, shapes: Shapes) =>
  layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)

const RATIO = 0.85

describe('mild pruning of real models', async () => {
  if (noModels) {
    it('gives models that run', { skip: noModels }, () => {})
    return
  }
  const runtime = await openRuntime({ threads: 1 })
  after(() => runtime.close())
  for (const entry of manifestEntries().filter(({ loads }) => loads))
    it(`${entry.file} runs with fewer channels, or says what holds them`, async () => {
      const sample = exampleFeeds(entry)
      const { model, shapes } = await applyRewrites(
        runtime,
        await readModelFile(join(sharedFolder, 'models', entry.file)),
        passes,
        sample,
      )
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
})
