import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isValueType, makeArray, RefusedError, setElement, sizeOf, type TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { readModelFile } from '../../onnx/index.node.ts'
import { layersOf, type Model, macsOf, type Shapes } from '../../onnx/index.ts'
import { applyRewrites, passes } from '../../rewrite/index.ts'
import { openRuntime } from '../../runtime/index.node.ts'
import { observeShapes, type Values } from '../../runtime/index.ts'
import { pruneChannels } from './prune-channels.ts'

interface Feed {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly fill: 'uniform' | 'integers' | 'constant'
  readonly low?: number
  readonly high?: number
  readonly value?: number
}

interface Entry {
  readonly file: string
  readonly loads: boolean
  readonly example: { readonly feeds: Readonly<Record<string, Feed>> } | null
}

const folder = join(process.env['ONNXPRESS_SHARED'] ?? '../shared', 'models')
const manifest = join(folder, 'manifest.json')

function feedsOf({ example }: Entry): Values {
  const feeds: Record<string, TensorValue> = {}
  for (const [name, { dtype, shape, fill, low = 0, high = 1, value = 0 }] of Object.entries(example?.feeds ?? {})) {
    assert.ok(isValueType(dtype), dtype)
    const random = randomStream(0, name)
    const data = makeArray(dtype, sizeOf(shape))
    const draw = {
      constant: () => value,
      integers: () => random.integer(low, high),
      uniform: () => random.uniform(low, high),
    }
    for (let i = 0; i < data.length; i++) setElement(data, i, draw[fill]())
    feeds[name] = { dtype, dims: shape, data }
  }
  return feeds
}

const countMacs = (model: Model, shapes: Shapes) =>
  layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)

const RATIO = 0.85

describe('mild pruning of real models', async () => {
  if (!existsSync(manifest)) {
    it('gives models that run', { skip: `no models at ${manifest}; drawn models are tested` }, () => {})
    return
  }
  const runtime = await openRuntime({ threads: 1 })
  after(() => runtime.close())
  const entries: readonly Entry[] = JSON.parse(readFileSync(manifest, 'utf8'))
  for (const entry of entries.filter(({ loads }) => loads))
    it(`${entry.file} runs with fewer channels, or says what holds them`, async () => {
      const sample = feedsOf(entry)
      const { model, shapes } = await applyRewrites(
        runtime,
        await readModelFile(join(folder, entry.file)),
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
