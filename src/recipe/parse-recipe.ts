// A run as JSON: command-line options are shorthand for a recipe, and a recipe can be run again to the same bytes.
import * as z from 'zod'
import { InputError } from '../base/index.ts'
import { type CommandName, completed, type Recipe, type Recipes, recipeSchemas } from './commands.ts'
import { problemOf } from './problem.ts'

/**
 * Checks a recipe of a command and fills in the defaults. `json` need not say its "command".
 * @throws InputError naming the first field that is wrong, and what was probably meant
 * @example
 * ```ts
 * const recipe = parseRecipe('quantize', { model: 'model.onnx', data: 'images', weightBits: 4 })
 * recipe.samples // 128: 4-bit weights take twice the samples
 * ```
 */
export function parseRecipe<Command extends CommandName>(
  command: Command,
  json: unknown,
  where = 'the recipe',
): Recipes[Command] {
  const given = objectOf(json, where)
  const of = given['command'] ?? command
  if (of !== command) throw new InputError(`cannot use ${where}: it is a recipe of ${of}, expected one of ${command}`)
  const parsed = recipeSchemas[command].safeParse(completed(command, { ...given, command }))
  if (parsed.success) return parsed.data
  throw new InputError(`cannot use ${where}: ${problemOf(command, parsed.error.issues[0], given)}`)
}

/**
 * Checks a recipe of any command, as in a recipe.json.
 * @throws InputError as above, and when its "command" is none
 */
export function parseAnyRecipe(json: unknown, where = 'the recipe'): Recipe {
  const { command } = objectOf(json, where)
  const names = Object.keys(recipeSchemas)
  if (isCommand(command)) return parseRecipe(command, json, where)
  throw new InputError(
    `cannot use ${where}: its "command" is ${JSON.stringify(command) ?? 'missing'}, expected one of ${names.join(', ')}`,
  )
}

function isCommand(name: unknown): name is CommandName {
  return typeof name === 'string' && Object.hasOwn(recipeSchemas, name)
}

function objectOf(json: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ...json }
  throw new InputError(`cannot use ${where}: a recipe is an object { "command": … }`)
}

/** What a recipe of a command holds where nothing is said: field → value. */
export function recipeDefaults(command: CommandName): Readonly<Record<string, unknown>> {
  const shape: Readonly<Record<string, z.ZodType>> = recipeSchemas[command].shape
  const entries = Object.entries(shape).map(([name, field]) => [name, z.safeParse(field, undefined).data])
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
