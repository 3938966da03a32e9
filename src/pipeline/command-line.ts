// A recipe as the command line that repeats it.
import { type Recipe, type RecipeField, recipeDefaults, recipeFields } from '../recipe/index.ts'
import { quoted } from './shell-word.ts'

/** `onnxpress quantize model.onnx --data images …`. What was given as an object has no word: see the recipe. */
export function commandLineOf(recipe: Recipe): string {
  const usual = recipeDefaults(recipe.command)
  const values: Readonly<Record<string, unknown>> = { ...recipe }
  const fields = recipeFields(recipe.command).map((field) => ({ field, value: values[field.name] }))
  const [files, options] = [true, false].map((argument) =>
    fields.filter(({ field }) => (field.schema.argument ?? false) === argument),
  )
  return [
    'onnxpress',
    recipe.command,
    ...(files ?? []).map(({ value }) => quoted(String(value))),
    ...(options ?? [])
      .filter(({ field, value }) => value !== undefined && !isSame(value, usual[field.name]))
      .flatMap(({ field, value }) => wordsOf(field, value)),
  ].join(' ')
}

function wordsOf({ flag, kind, choices, schema }: RecipeField, value: unknown): readonly string[] {
  const option = schema.short === undefined ? flag : `-${schema.short}`
  if (kind === 'flag') return [value === true ? option : option.replace('--', '--no-')]
  if (Array.isArray(value)) {
    if (kind === 'numbers' || choices) return value.length > 0 ? [option, value.join(',')] : []
    return value.flatMap((item) => [option, quoted(String(item))])
  }
  if (typeof value !== 'object' || value === null) return [option, quoted(String(value))]
  if (kind !== 'dims') return []
  return Object.entries(value).flatMap(([name, dims]) => [
    option,
    quoted(`${name}:${Array.isArray(dims) ? dims.join('x') : ''}`),
  ])
}

/** Is it what the recipe would hold anyway? */
function isSame(value: unknown, usual: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(usual)
}
