// What a command tells comes from samples that nothing was fitted to, however few there are.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { randomStream } from '../src/math/index.ts'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { compareFiles, compressFile, finetuneFile, quantizeFile } from '../src/pipeline/index.node.ts'
import { type CommandName, parseRecipe, type Recipes } from '../src/pipeline/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { tinyModel } from './support/tiny-model.ts'

describe('samples that are kept from every fit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-held-'))
  const runtime = await testRuntime()
  const model = join(folder, 'wide.onnx')
  const file = (name: string) => join(folder, name)
  const samples = (name: string, count: number, seed: number, scale = 1) => {
    const random = randomStream(seed, 'samples')
    const data = Float32Array.from({ length: count * 64 }, () => scale * random.normal())
    writeFileSync(file(`${name}.bin`), new Uint8Array(data.buffer))
    const described = { format: 'raw', file: `${name}.bin`, dtype: 'float32', shape: [count, 64] }
    writeFileSync(file(`${name}.json`), JSON.stringify(described))
    return file(`${name}.json`)
  }
  const recipe = <C extends CommandName>(command: C, given: object): Recipes[C] =>
    parseRecipe(command, { model, ...given })

  before(async () => {
    await writeModelFile(tinyModel('x[N,64] -> Gemm 64->64 transB=1 -> Relu -> Gemm 64->64 transB=1 -> y'), model)
  })
  after(() => rmSync(folder, { recursive: true }))

  it('compress with fewer samples than its fits could know by heart tells what other samples will meet', async () => {
    const [few, fresh] = [samples('few', 24, 1), samples('fresh', 200, 2)]
    const output = file('half.onnx')
    const run = await compressFile(
      runtime,
      recipe('compress', { data: few, macs: [0.5], method: 'weight-svd', output, force: true }),
    )
    assert.equal(run.samples.length, 18)
    assert.ok(run.notes.includes('scored on 6 samples that nothing was fitted to'), run.notes.join('\n'))
    const told = run.points[0]?.measures.comparison.sqnrDb['y'] ?? 0
    const { comparison } = await compareFiles(runtime, recipe('compare', { other: output, data: fresh }))
    assert.ok(Math.abs(told - (comparison.sqnrDb['y'] ?? 0)) < 1.5, `told ${told}, ${comparison.sqnrDb['y']} on others`)
  })

  it('compress chooses by samples that neither its fits nor its report see', async () => {
    // biome-ignore lint/suspicious/noThenProperty: the word of the command line; it is never awaited
    const common = { macs: [0.7], loss: 'kl', force: true, then: 'quantize' }
    const scored = async (name: string, given: object) => {
      const run = await compressFile(runtime, recipe('compress', { ...common, ...given, output: file(`${name}.onnx`) }))
      const [point] = run.points
      const counts = [run.samples.length, point?.measures.comparison.samples, point?.quantized?.comparison?.samples]
      return { counts, notes: run.notes.join('\n') }
    }
    const [data, val] = [samples('sixteen', 16, 7), samples('others', 8, 4)]
    const alone = await scored('g', { data })
    assert.deepEqual(alone.counts, [12, 2, 2])
    assert.match(
      alone.notes,
      /scored on 2 samples that nothing was fitted to; choices looked at 2 samples of the others/,
    )
    const beside = await scored('h', { data, val })
    assert.deepEqual(beside.counts, [16, 4, 4])
    const few = await scored('i', { data: samples('two', 2, 8) })
    assert.deepEqual(few.counts, [1, 1, 1])
    assert.match(few.notes, /too few samples to keep some for choices alone/)
  })

  it('quantize keeps every fourth, and fits to all where others are named', async () => {
    const [data, val] = [samples('eight', 8, 3), samples('others', 4, 4)]
    const alone = await quantizeFile(runtime, recipe('quantize', { data, output: file('a.onnx') }))
    assert.deepEqual(
      alone.samples,
      [0, 2, 3, 4, 6, 7].map((i) => `eight.bin#${i}`),
    )
    assert.ok(alone.notes.includes('scored on 2 samples that nothing was fitted to'))
    assert.equal(alone.comparison?.samples, 2)
    const beside = await quantizeFile(runtime, recipe('quantize', { data, val, output: file('b.onnx') }))
    assert.equal(beside.samples.length, 8)
    assert.equal(beside.comparison?.samples, 4)
  })

  it('a sample that is kept has no say in the ranges', async () => {
    // The samples that are kept are ten times as large: what was fitted to them would not clip them.
    const random = randomStream(5, 'samples')
    const data = Float32Array.from({ length: 8 * 64 }, (_, i) => ([1, 5].includes(i >> 6) ? 10 : 1) * random.normal())
    writeFileSync(file('large.bin'), new Uint8Array(data.buffer))
    writeFileSync(file('large.json'), '{ "format": "raw", "file": "large.bin", "dtype": "float32", "shape": [8, 64] }')
    const run = await quantizeFile(runtime, recipe('quantize', { data: file('large.json'), output: file('c.onnx') }))
    assert.ok((run.comparison?.sqnrDb['y'] ?? 99) < 12, `${run.comparison?.sqnrDb['y']}`)
  })

  it('a single sample is scored, and the run says what that is worth', async () => {
    const data = samples('one', 1, 6)
    const run = await quantizeFile(runtime, recipe('quantize', { data, output: file('d.onnx') }))
    assert.ok(run.notes.some((note) => /single sample.*promise nothing/.test(note)))
  })

  it('finetune scores what it did not train on, with and without quantisation', async () => {
    const data = samples('sixteen', 16, 7)
    const common = { data, teacher: model, epochs: 1, batch: 4 }
    for (const qat of [false, true]) {
      const run = await finetuneFile(runtime, recipe('finetune', { ...common, qat, output: file(`e${qat}.onnx`) }))
      assert.equal(run.comparison.samples, 4)
      assert.ok(run.notes.includes('scored on 4 samples that nothing was fitted to'), run.notes.join('\n'))
    }
  })

  it('what goes on from a compression keeps the same samples', async () => {
    const data = samples('sixteen', 16, 7)
    // biome-ignore lint/suspicious/noThenProperty: the word of the command line; it is never awaited
    const given = { data, macs: [0.7], output: file('f.onnx'), force: true, then: 'quantize' }
    const run = await compressFile(runtime, recipe('compress', given))
    const quantized = run.points[0]?.quantized
    assert.deepEqual(quantized?.samples, run.samples)
    assert.equal(quantized?.comparison?.samples, 4)
  })
})
