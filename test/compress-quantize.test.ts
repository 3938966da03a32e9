import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { compressFile, compressJson } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, noModels, recipeFor } from './support/manifest.ts'

describe('compress --then quantize', { skip: noModels }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-then-'))
  const runtime = await openRuntime()
  after(async () => {
    await runtime.close()
    rmSync(folder, { recursive: true })
  })

  it('gives a compressed residual network in integers, both of them as accurate as the original within 3 points', async () => {
    const entry = manifestEntries().find(({ file }) => file === 'cifar10_resnet20.onnx')
    assert.ok(entry, 'the model is in the manifest')
    const { model, data, val, preprocess } = recipeFor(entry)
    const output = join(folder, 'small.onnx')
    // biome-ignore lint/suspicious/noThenProperty: the word of the command line; it is never awaited
    const given = { model, data, val, preprocess, output, macs: [0.6], samples: 64, then: 'quantize' }
    const recipe = parseRecipe('compress', { ...given })
    const run = await compressFile(runtime, recipe)
    const { quantized, macs } = compressJson(run) as {
      macs: { ratio: number }
      quantized: { output: string; layerCounts: { total: number; integer: number }; metric: { after: number } }
    }
    const { metric } = run.points[0]!.measures.comparison
    assert.ok(metric, 'the test samples have labels')
    assert.ok(macs.ratio <= 0.6, `${macs.ratio}`)
    assert.ok(existsSync(quantized.output), quantized.output)
    assert.equal(quantized.layerCounts.integer, quantized.layerCounts.total)
    for (const score of [metric.after, quantized.metric.after])
      assert.ok(score > metric.before - 0.03, `${score} for ${metric.before}`)
  })
})
