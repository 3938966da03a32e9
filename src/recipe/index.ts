// recipe: what each command can be told. One file a command; types, options, forms, defaults and tables are made from it.
// Imports base; the words of registries lie here, so that modules above can name their entries by them.
export type { CommandName, Recipe, Recipes } from './commands.ts'
export type { CompareRecipe } from './compare.ts'
export type { CompressRecipe } from './compress.ts'
export type { EvaluateRecipe } from './evaluate.ts'
export { type RecipeField, recipeFields, usualOf } from './fields.ts'
export type { FinetuneRecipe } from './finetune.ts'
export { type CommandSchema, commandSchema, expectationOf, type FieldSchema, recipeJsonSchema } from './json-schema.ts'
export * from './parse-recipe.ts'
export { type QuantizeRecipe, TUNING_SAMPLES } from './quantize.ts'
export type { RewriteRecipe } from './rewrite.ts'
export type { SampleRecipe } from './shared.ts'
export * from './words.ts'
