import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { samplesOf } from '../../../test/support/small-search.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UsageError } from '../../base/index.ts'
import { nodeName } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Material } from './mode.ts'
import { produceQuantized } from './produce.ts'

describe('options that say nothing in a mode', () => {
  for (const [what, fields, why] of [
    ['rounding without blocks', { mode: 'weights', rounding: 'hqq' }, /--rounding is about weights alone in blocks/],
    ['float16 behind activations in integers', { float16: true }, /say --mode float16/],
    ['a half type as storage of codes', { weightStorage: 'bfloat16' }, /a form of --mode float16/],
    ['float16 inputs of a float32 model', { ioType: 'float16' }, /about models that compute in float16/],
    [
      'a choice by time where there is none',
      { mode: 'weights', prefer: 'speed' },
      /in --mode weights there is no such/,
    ],
    ['what is faster and what is not', { prefer: 'speed', force: true }, /leave one of them out/],
    ['a batch that nothing is timed for', { batch: 4 }, /for how many samples in a run --prefer speed chooses/],
    ['a promise that nobody measures', { minSqnr: 20, effort: 'fast' }, /--effort fast measures nothing/],
  ] as const)
    it(`are refused before anything is read: ${what}`, async () => {
      const recipe = parseRecipe('quantize', { model: 'm.onnx', data: 'random', ...fields })
      await assert.rejects(
        produceQuantized({} as Runtime, recipe, {} as Material, { notes: [] }),
        (error) => error instanceof UsageError && why.test(error.message),
      )
    })
})

describe('float16 behind weights in few bits', () => {
  it('lists the nodes that stay float32, and why', async () => {
    const runtime = await testRuntime()
    const original = tinyModel('x[N,64] -> Gemm 64->48 -> Tanh -> Gemm 48->32 -> y')
    const tanh = original.graph.nodes.find(({ opType }) => opType === 'Tanh')
    assert.ok(tanh)
    const more = { mode: 'weights', weightBits: 4, float16: true, exclude: [nodeName(tanh)] } as const
    const recipe = parseRecipe('quantize', { model: 'm.onnx', data: 'none', ...more })
    const material = { original, samples: samplesOf(original, 1), inputs: new Map() }
    const { float } = await produceQuantized(runtime, recipe, material, { notes: [] })
    const listed = float.find(({ name }) => name === nodeName(tanh))
    assert.match(listed?.reason ?? '', /exclude/)
  })
})
