import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { compressFile, compressJson } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { manifestEntries, noModels, recipeFor } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

describe('compress --then quantize', { skip: noModels }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-then-'))
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))

  /** The first samples of a description: of 400 one in a hundred is less than the three points. */
  const some = (path: string): string => {
    const description = JSON.parse(readFileSync(path, 'utf8'))
    const file = resolve(dirname(path), description.file)
    const own = join(folder, 'some.json')
    writeFileSync(own, JSON.stringify({ ...description, file, rows: [0, 400] }))
    return own
  }

  it('gives a compressed residual network in integers, both of them as accurate as the original within 3 points', async () => {
    const entry = manifestEntries().find(({ file }) => file === 'cifar10_resnet20.onnx')
    assert.ok(entry, 'the model is in the manifest')
    const { model, data, val, preprocess } = recipeFor(entry)
    const output = join(folder, 'small.onnx')
    // biome-ignore lint/suspicious/noThenProperty: the word of the command line; it is never awaited
    const given = { model, data, val: some(val ?? ''), preprocess, output, macs: [0.6], samples: 32, then: 'quantize' }
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
