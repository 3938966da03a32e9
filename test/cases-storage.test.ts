// What a file holds is stored once and in its smallest form: constants that folding would write out, tied embeddings, float16.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, quantizeFile, rewriteFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const cases = join(sharedFolder, 'cases', 'fold_bloat')
const graphs = join(sharedFolder, 'cases', 'graphs')
const skip = existsSync(cases) && existsSync(graphs) ? false : `no cases at ${cases} and ${graphs}`

describe('what a file holds', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-storage-'))
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))
  const size = (file: string) => statSync(file).size

  for (const name of skip ? [] : readdirSync(cases).filter((file) => file.endsWith('.onnx')))
    it(`is not larger after rewriting ${name}, or the notes say why`, async () => {
      const output = join(folder, `${name}.float.onnx`)
      const recipe = parseRecipe('rewrite', { model: join(cases, name), output })
      const { notes } = await rewriteFile(runtime, recipe)
      const said = notes.some((note) => /^the file is [\d.]+ % larger: /.test(note))
      assert.ok(said || size(output) <= 1.01 * size(join(cases, name)), `${size(output)} bytes`)
    })

  it('is the tied embedding once, in 8 bits', async () => {
    const model = join(cases, 'tied.onnx')
    const output = join(folder, 'tied.onnx')
    const recipe = parseRecipe('quantize', { model, data: join(cases, 'ids.json'), samples: 32, output })
    const run = await quantizeFile(runtime, recipe)
    assert.ok(size(output) < 0.4 * size(model), `${size(output)} of ${size(model)} bytes`)
    assert.deepEqual(layerCounts(run), { total: 2, integer: 2 })
    assert.ok((run.comparison?.sqnrDb['y'] ?? 0) > 24, `${run.comparison?.sqnrDb['y']} dB`)
    const { graph } = await readModelFile(output)
    const large = [...graph.initializers.values()].filter((tensor) => tensor.size === 2000 * 64)
    assert.deepEqual(
      large.map(({ dtype }) => dtype),
      ['int8'],
    )
  })

  it('is a float16 network with its own inputs and outputs, measured', async () => {
    const model = join(graphs, 'fp16_conv_bn.onnx')
    const output = join(folder, 'fp16.onnx')
    const val = join(graphs, 'fp16_conv_bn_val.json')
    const data = join(graphs, 'fp16_conv_bn_cal.json')
    const recipe = parseRecipe('quantize', { model, data, val, output })
    const run = await quantizeFile(runtime, recipe)
    assert.deepEqual(layerCounts(run), { total: 2, integer: 2 })
    const [db] = Object.values(run.comparison?.sqnrDb ?? {})
    assert.ok(typeof db === 'number' && db > 22, `${db} dB`)
    const before = (await readModelFile(model)).graph
    const { inputs, outputs } = (await readModelFile(output)).graph
    const types = (list: typeof inputs) => list.map(({ name, dtype }) => [name, dtype])
    assert.deepEqual(types([...inputs, ...outputs]), types([...before.inputs, ...before.outputs]))
  })
})
