// Weights beside the model: what the commands write with --external-data, and what they refuse.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { InputError } from '../src/base/index.ts'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { quantizeFile, rewriteFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { tinyModel } from './support/tiny-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-external-'))
const runtime = await openRuntime({ threads: 1 })
after(async () => {
  await runtime.close()
  rmSync(folder, { recursive: true })
})

const model = join(folder, 'model.onnx')
await writeModelFile(tinyModel('x[N,600] -> MatMul 600->700 -> Relu -> MatMul 700->600 -> y'), model)
const rewrite = (from: string, output: string, externalData: string) =>
  rewriteFile(runtime, parseRecipe('rewrite', { model: from, output, externalData, command: 'rewrite' }))

describe('--external-data', () => {
  it('quantises a model whose weights lie in a data file to the bytes of one that has them inside', async () => {
    const beside = join(folder, 'beside.onnx')
    await writeModelFile(await readModelFile(model), beside, { externalData: 'all' })
    for (const weightBits of [8, 4]) {
      const written = []
      for (const from of [model, beside]) {
        const output = join(folder, `out${weightBits}.onnx`)
        const given = { model: from, data: 'none', mode: 'weights', weightBits, output, command: 'quantize' }
        await quantizeFile(runtime, parseRecipe('quantize', given))
        written.push(readFileSync(output))
      }
      assert.ok(written[0]?.equals(written[1] ?? new Uint8Array()))
    }
  })

  it('counts the data file, and rewrites there and back to the same bytes', async () => {
    const [all, back, plain] = ['all.onnx', 'back.onnx', 'plain.onnx'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await rewrite(model, plain, 'none')
    await rewrite(model, all, 'all')
    assert.ok(statSync(`${all}.data`).size >= 4 * 2 * 600 * 700 && statSync(all).size < 10000)
    await rewrite(all, back, 'none')
    assert.ok(readFileSync(back).equals(readFileSync(plain)))
    const output = join(folder, 'counted.onnx')
    const given = { model: all, data: 'none', mode: 'weights', output, externalData: '1k', command: 'quantize' }
    const { sizeBytes } = await quantizeFile(runtime, parseRecipe('quantize', given))
    assert.equal(sizeBytes.after, statSync(output).size + statSync(`${output}.data`).size)
    assert.ok(sizeBytes.before > 4 * 2 * 600 * 700)
  })

  it("refuses an output whose data file is the input's, and words that it does not know", async () => {
    const lying = join(folder, 'lying.onnx')
    await writeModelFile(await readModelFile(model), lying, {
      externalData: 'all',
      dataPath: join(folder, 'new.onnx.data'),
    })
    await assert.rejects(
      rewrite(lying, join(folder, 'new.onnx'), 'all'),
      /the weights of .*lying\.onnx lie in .*new\.onnx\.data/,
    )
    assert.equal(existsSync(join(folder, 'new.onnx')), false)
    assert.throws(() => parseRecipe('rewrite', { model, externalData: 'some', command: 'rewrite' }), InputError)
    assert.deepEqual(
      readdirSync(folder).filter((name) => /tmp$|onnxpress-/.test(name)),
      [],
    )
  })
})
