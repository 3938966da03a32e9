import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../../base/index.ts'
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
    ['a promise that nobody measures', { minSqnr: 20, effort: 'fast' }, /--effort fast measures nothing/],
  ] as const)
    it(`are refused before anything is read: ${what}`, async () => {
      const recipe = parseRecipe('quantize', { model: 'm.onnx', data: 'random', ...fields })
      await assert.rejects(
        produceQuantized({} as Runtime, recipe, {} as Material, [], {}),
        (error) => error instanceof UsageError && why.test(error.message),
      )
    })
})
