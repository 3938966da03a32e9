import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import { parseRecipe, type QuantizeRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { quantizeFile } from '../quantize.node.ts'
import type { StoredCorrections } from './evidence.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-stored-'))
const at = (name: string) => join(folder, name)

describe('stored statistics', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
    const block = 'Conv 3x3 8->8 pads=1,1,1,1 -> BatchNormalization -> Clip number(0) number(6)'
    const drawing = `x[N,3,12,12] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> ${block} -> ${block} -> Conv 1x1 8->4 -> y`
    await writeModelFile(tinyModel(drawing), at('model.onnx'))
    await writeModelFile(tinyModel('picture[N,3,12,12] -> Conv 3x3 3->5 pads=1,1,1,1 -> Relu -> y'), at('other.onnx'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const recipe = (fields: object): QuantizeRecipe => parseRecipe('quantize', { model: at('model.onnx'), ...fields })

  const cases: readonly (readonly [name: string, fields: object])[] = [
    ['the usual techniques', {}],
    ['every technique kept', { keep: 'always', effort: 'high' }],
    ['caps of their own', { keep: 'always', clip: 'exact' }],
    ['one scale a weight, rounded', { weights: 'per-tensor', keep: 'always' }],
    ['ranges from histograms', { range: 'mse' }],
    ['4 bits', { weightBits: 4, samples: 24, keep8bit: ['none'] }],
    ['4 bits stored as int4', { weightBits: 4, weightStorage: 'int4', samples: 24, keep8bit: ['none'] }],
    ['biases tuned', { keep: 'always', tune: 'bias' }],
    ['a single sample', { samples: 1 }],
    ['nothing tried', { effort: 'fast' }],
  ]
  for (const [name, fields] of cases) {
    it(`make the same bytes again without a sample: ${name}`, async () => {
      const first = await quantizeFile(runtime, recipe({ data: 'random', ...fields, output: at('first.onnx') }))
      assert.ok(first.statistics, 'there are no statistics')
      const statistics = JSON.parse(JSON.stringify(first.statistics))
      await quantizeFile(runtime, recipe({ statistics, ...fields, output: at('again.onnx') }))
      assert.ok(readFileSync(at('first.onnx')).equals(readFileSync(at('again.onnx'))), 'the files differ')
    })
  }

  it('keep what was corrected: without the corrections the bytes are others', async () => {
    const first = await quantizeFile(runtime, recipe({ data: 'random', keep: 'always', output: at('first.onnx') }))
    const { corrections, ...evidence } = first.statistics?.evidence ?? {}
    assert.ok(Object.keys((corrections as StoredCorrections).biases).length > 2, 'no bias was stored')
    await quantizeFile(
      runtime,
      recipe({ statistics: { ...first.statistics, evidence }, keep: 'always', output: at('plain.onnx') }),
    )
    assert.ok(!readFileSync(at('first.onnx')).equals(readFileSync(at('plain.onnx'))), 'the files are the same')
  })

  it('are refused in one sentence for another model, beside samples, and when they are broken', async () => {
    const { statistics } = await quantizeFile(
      runtime,
      recipe({ data: 'random', effort: 'fast', output: at('first.onnx') }),
    )
    const again = (fields: object) => quantizeFile(runtime, recipe({ ...fields, output: at('never.onnx') }))
    await assert.rejects(again({ model: at('other.onnx'), statistics }), /of another model/)
    await assert.rejects(again({ data: 'random', statistics }), /take the place of samples/)
    await assert.rejects(again({ statistics: { ...statistics, tensors: { x: 1 } } }), /"tensors\.x" is wrong/)
    await assert.rejects(again({ statistics: at('missing.json') }), /is missing, or not JSON/)
  })
})
