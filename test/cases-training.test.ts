// Training on the small inputs that once failed: what must hold of each (the folder is not part of the repository).

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readModelFile } from '../src/onnx/index.node.ts'
import { type FinetuneRun, finetuneFile, finetuneReport, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const cases = join(sharedFolder, 'cases')
const missing = existsSync(cases) ? false : `${cases} is missing`

describe('training the cases', { skip: missing }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-cases-training-'))
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))
  const output = join(folder, 'tuned.onnx')
  const tuned = async (model: string, data: string, more: Record<string, unknown> = {}): Promise<FinetuneRun> => {
    const paths = { model: join(cases, model), data: join(cases, data), output }
    const recipe = parseRecipe('finetune', { epochs: 1, ...paths, ...more })
    return finetuneFile(runtime, recipe)
  }
  const moved = async (model: string, names: readonly string[]) => {
    const [before, after] = [await readModelFile(join(cases, model)), await readModelFile(output)]
    for (const name of names) {
      const [old, now] = [before, after].map((each) => each.graph.initializers.get(name)?.numbers())
      assert.ok(old && now)
      assert.notDeepEqual(now, old, `${name} of ${model} did not move`)
    }
  }

  for (const [model, qat] of [
    ['if', false],
    ['loop', false],
    ['if', true],
    ['loop', true],
  ] as const)
    it(`trains the layers before and behind ${model}${qat ? ', quantised' : ''}`, async () => {
      const run = await tuned(`if_finetune/${model}.onnx`, 'if_finetune/cal.json', { qat })
      assert.deepEqual(run.layers, { trained: 3, asked: 3, untrained: [] })
      if (!qat) await moved(`if_finetune/${model}.onnx`, ['w1', 'w2', 'w3'])
    })

  it('comes within 3 dB of what quantising alone reaches where biases are large, and says what was measured', async () => {
    const [data, val] = ['cal', 'val'].map((name) => join(cases, `qat_bias_overflow/${name}.json`))
    const run = await tuned('qat_bias_overflow/model.onnx', 'qat_bias_overflow/cal.json', {
      qat: true,
      val,
      epochs: 200,
    })
    const model = join(cases, 'qat_bias_overflow/model.onnx')
    const recipe = parseRecipe('quantize', { model, data, val, output: join(folder, 'int8.onnx') })
    const plain = (await quantizeFile(runtime, recipe)).comparison?.sqnrDb['y'] ?? 0
    const db = run.comparison?.sqnrDb['y'] ?? 0
    assert.ok(db > plain - 3, `${db} dB, quantised alone ${plain}`)
    const point = finetuneReport(run, runtime).verdict.points.find(({ question }) => question === 'as accurate')
    assert.match(`${point?.answer} ${point?.text}`, /^yes .*SQNR [\d.]+ dB; quantised without training [\d.]+ dB/)
  })

  it('trains both heads of a fork', async () => {
    const run = await tuned('graphs/two_heads_fork.onnx', 'graphs/two_heads_fork_cal.json', { qat: true })
    assert.deepEqual(run.layers, { trained: 4, asked: 4, untrained: [] })
  })

  for (const [model, data] of [
    ['fixed_batch/model.onnx', 'fixed_batch/cal.json'],
    ['graphs/fixed_batch_8.onnx', 'graphs/fixed_batch_8_cal.json'],
  ] as const)
    it(`trains ${model}, whose batch is fixed`, async () => {
      const run = await tuned(model, data, { qat: true })
      assert.ok(run.tuned.result.steps > 0)
      assert.match(run.notes.join('; '), /the model takes \d samples? at a time/)
    })
})
