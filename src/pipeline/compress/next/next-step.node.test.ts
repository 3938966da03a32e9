import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../../test/support/tiny-model.ts'
import { parseRecipe } from '../../../recipe/index.ts'
import type { Runtime } from '../../../runtime/index.ts'
import { nextSteps } from './index.node.ts'
import { follow, type NextStep, type StepRuns } from './next-step.node.ts'
import { sameSamples } from './same-samples.node.ts'

const model = tinyModel('x[N,4] -> Gemm 4->4 -> y')
const recipe = (more: object) => parseRecipe('compress', { model: 'm.onnx', data: 'd', macs: [0.5], ...more })

describe('steps after a compression', () => {
  it('work each on the model that the one before it made, and keep what all of them tell', async () => {
    const seen: string[] = []
    const step = (name: string, runs: StepRuns): NextStep => ({
      run: async (_runtime, from, { heldBack }) => {
        seen.push(`${name} of ${from.file}, without ${heldBack}`)
        return { model: from.model, file: `${from.file}.${name}`, runs }
      },
    })
    const tuned = { output: 'a' } as StepRuns['tuned']
    const quantized = { output: 'b' } as StepRuns['quantized']
    const steps = [step('tuned', tuned ? { tuned } : {}), step('int8', quantized ? { quantized } : {})]
    const runs = await follow({} as Runtime, steps, { model, file: 'm' }, { heldBack: [1, 5] })
    assert.deepEqual(seen, ['tuned of m, without 1,5', 'int8 of m.tuned, without 1,5'])
    assert.deepEqual(runs, { tuned, quantized })
  })

  it('are those that a recipe asks for', () => {
    // biome-ignore lint/suspicious/noThenProperty: the word of the command line; it is never awaited
    const both = { finetune: 3, then: 'quantize' }
    assert.deepEqual(
      [{}, { finetune: 3 }, both].map((more) => nextSteps(recipe(more), model).length),
      [0, 1, 2],
    )
  })

  it('see the samples of the compression, and only what is said of them', async () => {
    const { data, exif, seed, shape } = recipe({})
    assert.deepEqual(await sameSamples(recipe({})), { data, exif, seed, shape })
    assert.equal((await sameSamples(recipe({ val: 'v', tokenizer: 't' }))).tokenizer, 't')
  })
})
