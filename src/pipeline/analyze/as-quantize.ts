// An analysis looks at what `quantize` with the same options does before any technique.
import { type AnalyzeRecipe, parseRecipe, type QuantizeRecipe } from '../../recipe/index.ts'

/** The recipe of the quantisation that is looked at. */
export function asQuantizeRecipe({ command, ...recipe }: AnalyzeRecipe): QuantizeRecipe {
  return parseRecipe('quantize', { ...recipe, techniques: ['none'] })
}
