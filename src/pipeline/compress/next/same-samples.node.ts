// A step after a compression sees the samples that the compression saw, prepared in the same way.
import { processorBeside, tokenizerBeside } from '../../../data/index.node.ts'
import type { CompressRecipe } from '../../../recipe/index.ts'

const WORDS = ['data', 'labels', 'val', 'preprocess', 'exif', 'seed', 'shape'] as const

/** What a recipe says of samples, as far as it says something; tokenizer and processor are those beside the model that was compressed. */
export async function sameSamples(
  recipe: CompressRecipe,
): Promise<Partial<Pick<CompressRecipe, (typeof WORDS)[number] | 'tokenizer' | 'processor'>>> {
  const tokenizer = recipe.tokenizer ?? (await tokenizerBeside(recipe.model))
  const processor = recipe.processor ?? (await processorBeside(recipe.model))
  return {
    ...Object.fromEntries(WORDS.flatMap((word) => (recipe[word] === undefined ? [] : [[word, recipe[word]]]))),
    ...(tokenizer !== undefined && { tokenizer }),
    ...(processor !== undefined && { processor }),
  }
}
