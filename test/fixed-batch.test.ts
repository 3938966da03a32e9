// A model that takes so many samples at a time gets the figures of the same model with a free batch, in every command.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { randomStream } from '../src/math/index.ts'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import {
  compareFiles,
  compressFile,
  evaluateFile,
  finetuneFile,
  quantizeFile,
  rewriteFile,
} from '../src/pipeline/index.node.ts'
import { parseAnyRecipe } from '../src/pipeline/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { tinyModel } from './support/tiny-model.ts'

const SAMPLES = 22
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-fixed-batch-'))

describe('a fixed batch', async () => {
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))
  const file = (name: string) => join(folder, name)
  const random = randomStream(3, 'samples')
  const write = (name: string, shape: readonly number[]) => {
    const count = shape.reduce((a, b) => a * b, 1)
    writeFileSync(file(`${name}.bin`), Float32Array.from({ length: count }, random.normal))
    writeFileSync(
      file(`${name}.labels`),
      Uint8Array.from({ length: SAMPLES }, (_, i) => i % 4),
    )
    const labels = { format: 'raw', file: `${name}.labels`, dtype: 'uint8' }
    const description = { format: 'raw', file: `${name}.bin`, dtype: 'float32', shape, labels }
    writeFileSync(file(`${name}.json`), JSON.stringify(description))
  }
  write('pictures', [SAMPLES, 3, 6, 6])
  write('signals', [SAMPLES, 5, 16])
  const eight = tinyModel(
    'x[8,3,6,6] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> GlobalAveragePool -> Flatten -> Gemm 8->4 -> y',
  )
  const inputs = [{ name: 'x', dtype: 'float32' as const, shape: ['N', 3, 6, 6] }]
  await writeModelFile(eight, file('eight.onnx'))
  await writeModelFile({ ...eight, graph: { ...eight.graph, inputs } }, file('free.onnx'))
  await writeModelFile(tinyModel('x[5,4,16] -> MatMul 16->8 -> Tanh -> MatMul 8->4 -> y'), file('time.onnx'))
  const recipe = (command: string, model: string, more: Record<string, unknown> = {}) =>
    parseAnyRecipe({ command, model: file(`${model}.onnx`), data: file('pictures.json'), ...more })
  const near = (a: number, b: number, within: number) => assert.ok(Math.abs(a - b) < within, `${a} and ${b}`)

  it('is scored on as many samples, each once, with the same figures', async () => {
    const [fixed, free] = await Promise.all(
      ['eight', 'free'].map((model) => {
        const asked = recipe('evaluate', model)
        return asked.command === 'evaluate' ? evaluateFile(runtime, asked) : undefined
      }),
    )
    assert.equal(fixed?.metric.samples, SAMPLES)
    assert.deepEqual(fixed?.metric, free?.metric)
  })

  it('is quantised and compared: SQNR over the samples that are there, ranges but for their margin as with a free batch', async () => {
    const db: number[] = []
    for (const model of ['eight', 'free']) {
      const asked = recipe('quantize', model, {
        val: file('pictures.json'),
        output: file(`${model}.int8.onnx`),
        techniques: ['none'],
      })
      assert.ok(asked.command === 'quantize')
      const run = await quantizeFile(runtime, asked)
      assert.equal(run.comparison?.samples, SAMPLES)
      db.push(run.comparison?.sqnrDb['y'] ?? 0)
      const both = recipe('compare', model, { other: file(`${model}.int8.onnx`) })
      assert.ok(both.command === 'compare')
      const { comparison, latency } = await compareFiles(runtime, both)
      near(comparison.sqnrDb['y'] ?? 0, run.comparison?.sqnrDb['y'] ?? 0, 1e-9)
      assert.ok(latency.after.medianMs > 0)
    }
    // The margin beyond what was seen comes from the extremes of runs here, of samples there.
    near(db[0] ?? 0, db[1] ?? 9, 1)
  })

  it('is fine-tuned in whole runs, rewritten and compressed', async () => {
    for (const qat of [false, true]) {
      const asked = recipe('finetune', 'eight', {
        val: file('pictures.json'),
        qat,
        epochs: 1,
        batch: 12,
        output: file('tuned.onnx'),
      })
      assert.ok(asked.command === 'finetune')
      const run = await finetuneFile(runtime, asked)
      assert.equal(run.tuned.result.steps, 2)
      assert.match(run.notes.join('; '), /takes 8 samples at a time; a step is the gradients of 2 runs/)
      assert.deepEqual((await readModelFile(run.output)).graph.inputs[0]?.shape, [8, 3, 6, 6])
    }
    const rewrite = recipe('rewrite', 'eight', { output: file('float.onnx') })
    assert.ok(rewrite.command === 'rewrite')
    await rewriteFile(runtime, rewrite)
    const compress = recipe('compress', 'eight', { macs: [0.8], force: true, output: file('small.onnx') })
    assert.ok(compress.command === 'compress')
    await compressFile(runtime, compress)
  })

  it('may lie behind time', async () => {
    const data = { data: file('signals.json'), val: file('signals.json') }
    const quantize = recipe('quantize', 'time', { ...data, effort: 'default', output: file('time.int8.onnx') })
    assert.ok(quantize.command === 'quantize')
    const run = await quantizeFile(runtime, quantize)
    assert.equal(run.comparison?.samples, SAMPLES)
    assert.ok((run.comparison?.sqnrDb['y'] ?? 0) > 10, `${run.comparison?.sqnrDb['y']}`)
    const asked = recipe('finetune', 'time', { ...data, qat: true, loss: 'distill', epochs: 1, output: file('t.onnx') })
    assert.ok(asked.command === 'finetune')
    assert.equal((await finetuneFile(runtime, asked)).tuned.result.steps, 1)
  })
})
