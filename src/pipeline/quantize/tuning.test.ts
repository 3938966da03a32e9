import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { manifestEntries, noModels, recipeFor } from '../../../test/support/manifest.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import { parseRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { quantizeFile } from '../quantize.node.ts'
import type { QuantizeOutcome } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-tuning-'))
const at = (name: string) => join(folder, name)

describe('quantize --tune bias', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })
  after(() => rmSync(folder, { recursive: true }))

  async function tunedOf(drawing: string, fields: object = {}): Promise<QuantizeOutcome> {
    await writeModelFile(tinyModel(drawing), at('model.onnx'))
    const given = { model: at('model.onnx'), data: 'random', samples: 16, tune: 'bias' }
    return quantizeFile(runtime, parseRecipe('quantize', { ...given, ...fields, output: at('out.onnx') }))
  }
  const rowOf = ({ ladder = [] }: QuantizeOutcome) => ladder.find(({ name }) => name === 'tuned')

  it('is tried last, judged by SQNR on samples that it did not see', async () => {
    const outcome = await tunedOf('x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->4 -> y')
    assert.equal(outcome.ladder?.at(-1)?.name, 'tuned')
    assert.match(rowOf(outcome)?.reason ?? '', /^[+−]\d+\.\d dB on 4 samples$/)
    assert.ok(Number.isFinite(rowOf(outcome)?.sqnrDb), 'the technique has no SQNR')
  })

  const left: readonly (readonly [what: string, drawing: string, reason: RegExp])[] = [
    ['has no bias', 'x[N,5,8] -> MatMul 8->4 -> y', /^left out: no layer has a bias$/],
    [
      'has biases that reach no output',
      'x[N,3,8,8] -> Conv 3x3 3->4 -> Shape -> Cast to=1 -> y',
      /^left out: no output differs/,
    ],
  ]
  for (const [what, drawing, reason] of left)
    it(`is left out with the reason, and the run goes on, where the model ${what}`, async () => {
      const outcome = await tunedOf(drawing)
      assert.equal(rowOf(outcome)?.kept, false)
      assert.match(rowOf(outcome)?.reason ?? '', reason)
      assert.equal(outcome.measured, true)
    })

  it('is left out where an operator behind the biases has no gradient, and names it', async () => {
    const outcome = await tunedOf('x[N,1,6,6] -> Conv 3x3 1->4 -> Relu -> Det -> y')
    assert.match(rowOf(outcome)?.reason ?? '', /^left out: node "\w+" \(Det\) lies between the biases and the outputs/)
  })

  it('says so where nothing is tried at all', async () => {
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->8 -> Relu -> Conv 3x3 8->4 -> y'
    for (const fields of [{ effort: 'fast' }, { mode: 'weights' }]) {
      const { notes } = await tunedOf(drawing, fields)
      assert.ok(
        notes.some((note) => note.startsWith('bias tuning was left out: ')),
        notes.join('; '),
      )
    }
  })

  it('is left out where biases lie before an LSTM, here inside an If', { skip: noModels }, async () => {
    const entry = manifestEntries().find(({ file }) => file === 'silero_vad_16k_op15.onnx')
    assert.ok(entry, 'the manifest has no such model')
    const outcome = await quantizeFile(
      runtime,
      recipeFor(entry, { samples: 4, techniques: ['tune-bias'], tune: 'bias', output: at('vad.onnx') }),
    )
    assert.match(
      rowOf(outcome)?.reason ?? '',
      /^left out: node ".+LSTM" \(LSTM\) lies between the biases and the outputs and has no gradient/,
    )
  })
})
