// The fields of a command as options: names, kinds, defaults, read off its description. Nothing here knows a single field.
import type * as z from 'zod'
import { type CommandName, recipeSchemas } from './commands.ts'
import { choicesOf, type FieldSchema, schemaOf } from './json-schema.ts'
import { run } from './shared.ts'

/** One field of a recipe. */
export interface RecipeField {
  /** Its key in a recipe. */
  readonly name: string
  /** Its word on the command line, `--weight-bits`. */
  readonly flag: string
  /** flag: there or not; texts and numbers: lists; dims: name → dims. */
  readonly kind: 'flag' | 'text' | 'texts' | 'number' | 'numbers' | 'dims'
  /** The only values, of the field or of its items. */
  readonly choices?: readonly (string | number)[]
  readonly needed: boolean
  /** Every command has it: samples and run. */
  readonly common: boolean
  readonly schema: FieldSchema
  /** Checks a value. */
  readonly type: z.ZodType
}

/** The fields of a command, in the order of its recipe, without those that say which command it is. */
export function recipeFields(command: CommandName): readonly RecipeField[] {
  return fieldsOf(recipeSchemas[command])
}

/** The fields of a description. */
export function fieldsOf(recipe: z.ZodObject): readonly RecipeField[] {
  const { properties, required } = schemaOf(recipe)
  const shape: Readonly<Record<string, z.ZodType>> = recipe.shape
  const common: Readonly<Record<string, z.ZodType>> = run.shape
  return Object.entries(shape)
    .filter(([name]) => name !== 'version' && name !== 'command')
    .map(([name, type]): RecipeField => {
      const schema = properties[name] ?? {}
      const choices = choicesOf(schema.items ?? schema)
      return {
        name,
        flag: flagOf(name),
        kind: kindOf(schema),
        ...(choices ? { choices } : {}),
        needed: required.includes(name),
        common: common[name] === type && schema.argument !== true,
        schema,
        type,
      }
    })
}

/** weightBits → --weight-bits; capitals and digits begin a word. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]|(?<!float\d*)\d+/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function kindOf(schema: FieldSchema): RecipeField['kind'] {
  const { type, items } = schema
  if (type === 'boolean') return 'flag'
  if (type === 'array') return isNumber(items) ? 'numbers' : 'texts'
  if (type === 'object') return 'dims'
  return isNumber(schema) ? 'number' : 'text'
}

function isNumber(schema: FieldSchema | undefined): boolean {
  return schema?.type === 'integer' || schema?.type === 'number'
}

/** What happens when the field is left out, in words; undefined when nothing does. */
export function usualOf({ schema }: RecipeField): string | undefined {
  const { usual, default: value } = schema
  if (usual !== undefined) return usual
  if (Array.isArray(value)) return value.length > 0 ? value.join(', ') : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
