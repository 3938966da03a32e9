// The recipes of all commands, by name.
import type * as z from 'zod'
import { type AnalyzeRecipe, analyze } from './analyze.ts'
import { type CheckRecipe, check } from './check.ts'
import { type CompareRecipe, compare } from './compare.ts'
import { type CompressRecipe, compress } from './compress.ts'
import { type EvaluateRecipe, evaluate } from './evaluate.ts'
import { type FinetuneRecipe, finetune } from './finetune.ts'
import { completeQuantize, type QuantizeRecipe, quantize, usualType } from './quantize.ts'
import { type RewriteRecipe, rewrite } from './rewrite.ts'
import { type VariantsRecipe, variants } from './variants.ts'
import { type VerifyRecipe, verify } from './verify.ts'

/** Command → its recipe. */
export interface Recipes {
  readonly quantize: QuantizeRecipe
  readonly analyze: AnalyzeRecipe
  readonly rewrite: RewriteRecipe
  readonly evaluate: EvaluateRecipe
  readonly compare: CompareRecipe
  readonly check: CheckRecipe
  readonly compress: CompressRecipe
  readonly finetune: FinetuneRecipe
  readonly variants: VariantsRecipe
  readonly verify: VerifyRecipe
}

export type CommandName = keyof Recipes

export type Recipe = Recipes[CommandName]

/** Command → what its recipe may hold. */
export const recipeSchemas: {
  readonly [Command in CommandName]: z.ZodObject & z.ZodType<Recipes[Command]>
} = { quantize, rewrite, analyze, evaluate, compare, check, compress, finetune, variants, verify }

/** What a recipe of the command holds where fields follow from others. */
export function completed(
  command: CommandName,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  if (command === 'analyze') return { ...usualType(given), ...given }
  return command === 'quantize' ? completeQuantize(given) : given
}
