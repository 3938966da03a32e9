// The steps after a compression, in order. A new one is a file here and a line in this list.
import type { Model } from '../../../onnx/index.ts'
import type { CompressRecipe } from '../../../recipe/index.ts'
import { finetuneStep } from './finetune.node.ts'
import type { NextStep } from './next-step.node.ts'
import { quantizeStep } from './quantize.node.ts'

export { follow, type StepRuns } from './next-step.node.ts'

/** @param original the model that was compressed */
export function nextSteps(recipe: CompressRecipe, original: Model): readonly NextStep[] {
  return [
    ...(recipe.finetune === undefined ? [] : [finetuneStep(recipe, original)]),
    ...(recipe.then === 'quantize' ? [quantizeStep(recipe)] : []),
  ]
}
