import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe, type QuantizeRecipe } from '../src/pipeline/index.ts'
import { type Runtime, withSession } from '../src/runtime/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { tinyModel } from './support/tiny-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bits-'))
after(() => rmSync(folder, { recursive: true }))

describe('quantising to 4 bits', () => {
  const path = join(folder, 'tiny.onnx')
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
    const drawing =
      'x[N,3,8,8] -> Conv 3x3 3->8 -> BatchNormalization -> Relu -> Conv 3x3 8->8 group=8 -> Relu -> Conv 1x1 8->16 -> Relu -> Conv 1x1 16->8 -> Relu -> Flatten -> Gemm 128->4 -> y'
    await writeModelFile(tinyModel(drawing), path)
  })

  function recipe(more: Partial<QuantizeRecipe>): QuantizeRecipe {
    const parsed = parseRecipe('quantize', {
      model: path,
      data: 'random',
      samples: 16,
      weightBits: 4,
      ...more,
    })
    return { ...parsed, output: join(folder, 'out.onnx') }
  }

  /** Largest code of each int8 weight in the written file. */
  async function largestCodes(): Promise<number[]> {
    const model = await readModelFile(join(folder, 'out.onnx'))
    return [...model.graph.initializers]
      .filter(([name, tensor]) => name.endsWith('weight/q') && tensor.dtype === 'int8')
      .map(([, tensor]) => Math.max(...tensor.numbers().map(Math.abs)))
  }

  it('keeps first, last and depthwise layers at 8 bits, all layers integer', async () => {
    const run = await quantizeFile(runtime, recipe({}))
    assert.deepEqual(layerCounts(run), { total: 5, integer: 5 })
    const [first = 0, depthwise = 0, third = 0, fourth = 0, last = 0] = await largestCodes()
    assert.ok(first > 100 && depthwise > 100 && last > 100)
    assert.ok(third <= 7 && fourth <= 7)
  })

  it('gives every layer 4 bits when none is kept', async () => {
    await quantizeFile(runtime, recipe({ keep8bit: ['none'] }))
    assert.ok((await largestCodes()).every((code) => code <= 7))
  })

  it('stores 4-bit codes as int4 on request: smaller, the same outputs, in float', async () => {
    const wide = await quantizeFile(runtime, recipe({ keep8bit: ['none'] }))
    const inputs = { x: { dtype: 'float32' as const, dims: [1, 3, 8, 8], data: new Float32Array(192).fill(0.3) } }
    const outputs = async () =>
      withSession(runtime, await readModelFile(join(folder, 'out.onnx')), { simulate: true }, (s) => s.run(inputs))
    const before = (await outputs())['y']?.data
    const run = await quantizeFile(runtime, recipe({ keep8bit: ['none'], weightStorage: 'int4' }))
    assert.ok(run.sizeBytes.after < wide.sizeBytes.after)
    const model = await readModelFile(join(folder, 'out.onnx'))
    assert.ok([...model.graph.initializers.values()].some((tensor) => tensor.dtype === 'int4'))
    for (const [i, y] of Array.from((await outputs())['y']?.data ?? [], Number).entries())
      assert.ok(Math.abs(y - Number(before?.[i])) < 1e-5)
    assert.ok(layerCounts(run).integer < 5)
    assert.ok(run.notes.some((note) => /stored as int4/.test(note)))
  })

  it('takes twice the samples unless told how many', () => {
    const json = { model: path, data: 'random' }
    const samples = (more: object) => parseRecipe('quantize', { ...json, ...more }).samples
    assert.deepEqual([samples({}), samples({ weightBits: 4 }), samples({ weightBits: 4, samples: 8 })], [64, 128, 8])
  })
})
