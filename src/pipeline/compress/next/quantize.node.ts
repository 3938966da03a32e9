// compress --then quantize: each result becomes int8 as well.

import { type CompressRecipe, parseRecipe } from '../../../recipe/index.ts'
import { quantizeGiven } from '../../quantize.node.ts'
import type { NextStep } from './next-step.node.ts'
import { sameSamples } from './same-samples.node.ts'

/** Quantises a compressed model into `<file>.int8.onnx` beside it. */
export function quantizeStep(recipe: CompressRecipe): NextStep {
  return {
    run: async (runtime, { model, file }, watch) => {
      const next = parseRecipe('quantize', { ...(await sameSamples(recipe)), model: file })
      const quantized = await quantizeGiven(runtime, next, model, watch)
      return { model, file: quantized.output, runs: { quantized } }
    },
  }
}
