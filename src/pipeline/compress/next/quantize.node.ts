// compress --then quantize: each result becomes int8 as well.
import { quantizeGiven } from '../../quantize.node.ts'
import { type CompressRecipe, parseRecipe, type QuantizeRecipe } from '../../recipe.ts'
import type { NextStep } from './next-step.node.ts'
import { sameSamples } from './same-samples.ts'

/** Quantises a compressed model into `<file>.int8.onnx` beside it. */
export function quantizeStep(recipe: CompressRecipe): NextStep {
  return {
    run: async (runtime, { model, file }, watch) => {
      const next = parseRecipe({ ...sameSamples(recipe), command: 'quantize', model: file }) as QuantizeRecipe
      const quantized = await quantizeGiven(runtime, next, model, watch)
      return { model, file: quantized.output, runs: { quantized } }
    },
  }
}
