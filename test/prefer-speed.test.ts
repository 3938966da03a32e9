import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { isOp, layersOf } from '../src/onnx/index.ts'
import { quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { tinyModel } from './support/tiny-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-speed-'))
const runtime = await testRuntime()
after(() => rmSync(folder, { recursive: true }))

const drawing =
  'x[N,3,24,24] -> Conv 3x3 3->16 pads=1,1,1,1 -> Relu -> Conv 3x3 16->16 group=16 pads=1,1,1,1 -> Relu -> Conv 1x1 16->64 -> Relu -> Conv 1x1 64->64 -> y'

async function quantized(more: object) {
  const file = join(folder, 'model.onnx')
  await writeModelFile(tinyModel(drawing), file)
  const given = { model: file, data: 'random', samples: 8, shape: { x: [1, 3, 24, 24] }, prefer: 'speed' }
  return quantizeFile(runtime, parseRecipe('quantize', { ...given, output: join(folder, 'out.onnx'), ...more }))
}

for (const target of ['ort-cpu', 'ort-wasm'])
  describe(`--prefer speed for ${target}`, () => {
    it('writes what it measured: a part in integers, or the float model', async () => {
      const { speed, plan, output, float, latency, statistics } = await quantized({ target, batch: 2 })
      assert.ok(speed && latency)
      assert.equal(speed.runtime, target === 'ort-cpu' ? 'onnxruntime-node' : 'onnxruntime-web')
      assert.equal(speed.batch, 2)
      assert.ok(speed.chosenMs <= speed.floatMs && speed.chosenMs > 0)
      const written = await readModelFile(output)
      const integer = plan?.placement.layers.size ?? 0
      assert.equal(integer + float.length, layersOf(tinyModel(drawing)).length)
      assert.equal(
        written.graph.nodes.some((node) => isOp(node, 'QuantizeLinear')),
        integer > 0,
      )
      if (plan) assert.equal(speed.nodes.integer, plan.placement.integer.size)
      if (!statistics) return
      // The same again without samples, and without a clock.
      const again = await quantized({ target, prefer: 'size', batch: 1, data: 'none', statistics })
      assert.deepEqual(again.plan?.placement.layers, plan?.placement.layers)
    })
  })
