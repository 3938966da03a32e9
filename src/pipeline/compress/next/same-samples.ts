// A step after a compression sees the samples that the compression saw, prepared in the same way.
import type { CompressRecipe } from '../../recipe.ts'

const WORDS = ['data', 'labels', 'val', 'preprocess', 'exif', 'seed', 'shape'] as const

/** What a recipe says of samples, as far as it says something. */
export function sameSamples(recipe: CompressRecipe): Partial<Pick<CompressRecipe, (typeof WORDS)[number]>> {
  return Object.fromEntries(WORDS.flatMap((word) => (recipe[word] === undefined ? [] : [[word, recipe[word]]])))
}
