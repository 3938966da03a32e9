// Overrides of single tensors from their file.
import { InputError } from '../base/index.ts'
import { parseRecipe, type Recipe } from '../recipe/index.ts'
import { readJson } from './run-folder.node.ts'

/** The recipe with what its file of overrides says. @throws InputError for a file that is missing or no JSON, UsageError for what it may not hold */
export async function withOverrides<R extends Extract<Recipe, { command: 'quantize' | 'analyze' }>>(
  recipe: R,
): Promise<R> {
  if (typeof recipe.overrides !== 'string') return recipe
  const overrides = await readJson(recipe.overrides)
  if (typeof overrides !== 'object' || overrides === null)
    throw new InputError(
      `cannot read the overrides ${recipe.overrides}: it is missing, or no JSON object of names → { float, range, symmetric, type }`,
      { file: recipe.overrides },
    )
  try {
    return parseRecipe(recipe.command, { ...recipe, overrides }) as R
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(`the overrides ${recipe.overrides} hold what they may not: ${error.message}`, {
      file: recipe.overrides,
    })
  }
}
