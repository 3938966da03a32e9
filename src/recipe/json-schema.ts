// A recipe as JSON schema, which is what forms, options and tables are made from.
import * as z from 'zod'
import { type CommandName, recipeSchemas } from './commands.ts'
import type { FieldWords } from './meta.ts'

/** A field of a JSON schema, with the words that `.meta()` gave it. */
export interface FieldSchema extends Partial<FieldWords> {
  readonly type?: string
  readonly enum?: readonly (string | number)[]
  readonly const?: string | number
  readonly anyOf?: readonly FieldSchema[]
  readonly items?: FieldSchema
  readonly default?: unknown
  readonly pattern?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
}

/** The recipe of one command; `command` is the constant that tells it apart. */
export interface CommandSchema {
  readonly properties: Readonly<Record<string, FieldSchema>>
  readonly required: readonly string[]
}

/** The schema of one command's recipes. */
export function commandSchema(command: CommandName): CommandSchema {
  return schemaOf(recipeSchemas[command])
}

/** A description as JSON schema. */
export function schemaOf(recipe: z.ZodObject): CommandSchema {
  const { $schema: _, properties = {}, required = [], ...rest } = z.toJSONSchema(recipe, { io: 'input' })
  return { ...rest, properties: properties as CommandSchema['properties'], required }
}

/** The recipes of all commands as one JSON schema (`oneOf`, told apart by `command`): forms are made from it. */
export function recipeJsonSchema(): { readonly oneOf: readonly CommandSchema[] } {
  return { oneOf: (Object.keys(recipeSchemas) as CommandName[]).map(commandSchema) }
}

/** The values of a field that takes only these. */
export function choicesOf({ enum: words, const: fixed }: FieldSchema): readonly (string | number)[] | undefined {
  return words ?? (fixed === undefined ? undefined : [fixed])
}

/** What a value has to be: "must be an integer ≥ 1". */
export function expectationOf(schema: FieldSchema): string {
  const { type, items, anyOf, minimum, exclusiveMinimum, maximum } = schema
  const choices = choicesOf(schema)
  if (choices) return `must be ${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}`
  if (type === 'integer' || type === 'number') {
    const whole = type === 'integer'
    const least = whole && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : minimum
    const bounds = [
      ...(least !== undefined && least > Number.MIN_SAFE_INTEGER ? [`≥ ${least}`] : []),
      ...(!whole && exclusiveMinimum !== undefined ? [`> ${exclusiveMinimum}`] : []),
      ...(maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? [`≤ ${maximum}`] : []),
    ]
    return [`must be ${whole ? 'an integer' : 'a number'}`, bounds.join(' and ')].join(' ').trimEnd()
  }
  if (type === 'array') return `must be a list${items ? `; each of it ${expectationOf(items)}` : ''}`
  if (type === 'boolean') return 'must be true or false'
  if (anyOf) return `must be ${anyOf.map((one) => expectationOf(one).replace(/^must be /, '')).join(' or ')}`
  // Text of a certain form is named by its placeholder.
  if (schema.pattern !== undefined && schema.placeholder) return `must be ${schema.placeholder.split('|').join(' or ')}`
  return type === 'string' ? 'must be text' : 'must be an object'
}
