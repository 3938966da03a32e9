import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { TensorValue } from '../src/base/index.ts'
import { walk } from '../src/calibrate/index.ts'
import { extractModel, layersOf } from '../src/onnx/index.ts'
import { compressFile, layerCounts, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { observeShapes, type Values, withSession } from '../src/runtime/index.ts'
import { detectorBlock, detectorBlocks, pictures, writeBlock } from './support/detector-blocks.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-blocks-'))
const runtime = await testRuntime()
const batch: Values = { x: { dtype: 'float32', dims: [2, 3, 16, 16], data: pictures(2) } }

describe('the blocks of detectors', () => {
  after(() => rmSync(folder, { recursive: true }))

  for (const block of detectorBlocks) {
    it(`are walked through: ${block}`, async () => {
      const model = detectorBlock(block)
      const shapes = await observeShapes(runtime, model, batch)
      const floats = [...shapes]
        .filter(([name, { dtype }]) => dtype === 'float32' && name !== 'x')
        .map(([name]) => name)
      const whole = extractModel(
        model,
        floats.map((name) => ({ name, dtype: 'float32' as const })),
      )
      const expected = await withSession(runtime, whole, { optimization: 'extended' }, (session) => session.run(batch))
      const stops = layersOf(model).map(({ node }) => ({ name: node.name, value: node.outputs[0] ?? '' }))
      const inputs = new Map(layersOf(model).map(({ node }) => [node.name, node.inputs[0] ?? '']))
      for (const replaces of [false, true]) {
        const early: [string, readonly TensorValue[]][] = []
        await walk(runtime, model, model, {
          ...{ stops, batches: [batch] },
          visitor: {
            visit: async ({ name, value, float, changed, replace }) => {
              for (const each of [inputs.get(name) ?? '', value]) {
                early.push([each, await float(each)], [each, await changed(each)])
                if (replaces) replace(each, await float(each))
              }
              // Anything else at any time: what was dropped, and what no stop has come to.
              const odd = floats[(early.length * 7) % floats.length] ?? ''
              if (!replaces && early.length % 3 === 0) early.push([odd, await changed(odd)])
            },
          },
          ...{ shapes, simulate: false },
        })
        for (const [value, [got]] of early) {
          const aim = value === 'x' ? batch['x'] : expected[value]
          assert.deepEqual(got?.dims, aim?.dims, value)
          for (const [i, x] of (got?.data as Float32Array).entries())
            assert.ok(Math.abs(x - Number(aim?.data[i])) < 1e-4, `${value}: ${x} for ${aim?.data[i]}`)
        }
      }
    })

    it(`are quantised and compressed: ${block}`, async () => {
      const { model, data } = await writeBlock(folder, block, 12)
      const quantize = parseRecipe('quantize', { model, data, samples: 8, output: `${model}.int8.onnx` })
      const run = await quantizeFile(runtime, quantize)
      const counts = layerCounts(run)
      assert.equal(counts.total, layersOf(detectorBlock(block)).length)
      assert.ok(counts.integer >= counts.total / 2, JSON.stringify(counts))
      const compress = parseRecipe('compress', {
        model,
        data,
        samples: 8,
        macs: [0.8],
        force: true,
        output: `${model}.small.onnx`,
      })
      const [point] = (await compressFile(runtime, compress)).points
      assert.ok(point)
    })
  }
})
