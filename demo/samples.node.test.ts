// The committed sets are what the source draws, and the data module reads them as the network was trained to see them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { float32Of } from '../src/base/index.ts'
import { openDataset, readPreprocess } from '../src/data/index.node.ts'
import { drawSet } from './draw.ts'
import { normalizePixel } from './preprocess.ts'
import { shapes } from './shapes.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const inputs = [{ name: 'image', dtype: 'float32', shape: ['N', 3, 32, 32] }]

describe('the committed samples', () => {
  for (const [name, count] of [
    ['calibration', 128],
    ['test', 450],
  ] as const)
    it(`${name}.json opens and holds the ${count} pictures of its seed`, async () => {
      const preprocess = await readPreprocess(join(folder, 'preprocess.json'))
      const dataset = await openDataset(join(folder, `${name}.json`), { inputs, preprocess })
      assert.deepEqual([dataset.size, dataset.classes], [count, shapes.length])
      const drawings = drawSet(1, name, count)
      for (const [index, { label, planes }] of drawings.entries()) {
        const sample = await dataset.sample(index)
        assert.equal(sample.label, label)
        const got = float32Of(sample.inputs['image']!)
        const wrong = got.findIndex((value, i) => Math.abs(value - normalizePixel(planes[i]!)) > 1e-5)
        assert.equal(wrong, -1, `picture ${index} differs from its drawing at element ${wrong}`)
      }
    })
})
