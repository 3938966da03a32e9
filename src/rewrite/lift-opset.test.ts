import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isValueType, makeArray, setElement, sizeOf, type TensorValue } from '../base/index.ts'
import { randomStream, sqnrDb } from '../math/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { type Model, opsetOf, writeModel } from '../onnx/index.ts'
import { openRuntime } from '../runtime/index.node.ts'
import { observeShapes, withSession } from '../runtime/index.ts'
import { liftOpset } from './lift-opset.ts'

const folder = join(process.env['ONNXPRESS_SHARED'] ?? '../shared', 'models')
const manifest = join(folder, 'manifest.json')

interface Entry {
  readonly file: string
  readonly opset: number
  readonly loads: boolean
  readonly example: {
    feeds: Record<string, { dtype: string; shape: number[]; fill: string; low?: number; high?: number; value?: number }>
  } | null
}

function feedsOf(entry: Entry): Record<string, TensorValue> {
  const random = randomStream(0, entry.file)
  return Object.fromEntries(
    Object.entries(entry.example?.feeds ?? {}).map(([name, feed]) => {
      const dtype = isValueType(feed.dtype) ? feed.dtype : 'float32'
      const data = makeArray(dtype, sizeOf(feed.shape))
      for (let i = 0; i < data.length; i++)
        setElement(
          data,
          i,
          feed.fill === 'constant' ? (feed.value ?? 0) : random.uniform(feed.low ?? 0, feed.high ?? 1),
        )
      return [name, { dtype, dims: feed.shape, data }]
    }),
  )
}

describe('lift-opset', async () => {
  if (!existsSync(manifest)) {
    it('keeps the function of older models', { skip: `no models at ${manifest}; nothing older to lift` }, () => {})
    return
  }
  const runtime = await openRuntime()
  after(() => runtime.close())
  const entries = JSON.parse(readFileSync(manifest, 'utf8')) as Entry[]
  for (const entry of entries.filter(({ loads, opset }) => loads && opset < 13)) {
    it(`lifts ${entry.file} from opset ${entry.opset} to 13 and keeps its function`, async () => {
      const model = await readModelFile(join(folder, entry.file))
      const before = writeModel(model)
      const feeds = feedsOf(entry)
      const shapes = await observeShapes(runtime, model, feeds)
      const lifted = liftOpset.apply(model, { shapes, statistics: new Map() })
      assert.deepEqual(writeModel(model), before, 'the model given is not changed')
      assert.equal(opsetOf(lifted.model), 13, lifted.skipped.join('; '))
      const run = (one: Model) =>
        withSession(runtime, one, { optimization: 'disabled', label: entry.file }, (session) => session.run(feeds))
      const [expected, got] = [await run(model), await run(lifted.model)]
      for (const [name, value] of Object.entries(expected)) {
        const db = sqnrDb(value.data as Float32Array, (got[name]?.data ?? []) as Float32Array)
        assert.ok(db === null || db > 100, `${name}: ${db} dB`)
      }
    })
  }
})
