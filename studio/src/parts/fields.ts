// From the JSON schema of a command to the fields of a form, and from what was typed back to a recipe.
import type { CommandSchema, FieldSchema, Session } from '../types.ts'

export type FieldKind = 'choice' | 'tick' | 'number' | 'text' | 'path' | 'list' | 'shape'

export interface Field {
  readonly name: string
  readonly label: string
  readonly kind: FieldKind
  readonly help: string
  readonly choices: readonly string[]
  readonly initial: string
  readonly required: boolean
  /** Shown at once; the others are folded. */
  readonly first: boolean
}

export type Values = Readonly<Record<string, string>>

/** The commands that have a schema, in its order. */
export function commandsOf({ schema }: Session): Map<string, CommandSchema> {
  return new Map(schema.oneOf.map((variant) => [String(variant.properties['command']?.const), variant]))
}

/** Fields of a command, needed ones first; what has only one value is not a field. */
export function fieldsOf({ properties, required }: CommandSchema): Field[] {
  return Object.entries(properties)
    .filter(
      ([name, schema]) =>
        name !== 'version' && name !== 'command' && name !== 'threads' && choicesOf(schema)?.length !== 1,
    )
    .map(([name, schema]): Field => {
      const { description = '', usual } = schema
      const kind = kindOf(schema)
      const choices = choicesOf(schema) ?? []
      const needed = required.includes(name)
      return {
        name,
        label: labelOf(name),
        kind,
        help: usual === undefined ? description : `${description} (default: ${usual})`,
        choices,
        initial: initialOf(schema, kind),
        required: needed,
        first:
          needed ||
          kind === 'choice' ||
          /^(labels|val|samples|macs)$/.test(name) ||
          (name !== 'seed' && kind === 'number'),
      }
    })
    .sort((a, b) => Number(b.required) - Number(a.required))
}

function kindOf(schema: FieldSchema): FieldKind {
  if (choicesOf(schema) !== undefined) return 'choice'
  if (schema.type === 'boolean') return 'tick'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  if (schema.type === 'array') return 'list'
  if (schema.type === 'object') return 'shape'
  return /path|file|dir/.test(schema.placeholder ?? '') ? 'path' : 'text'
}

/** The words of a field that takes only these. */
function choicesOf({ enum: words, const: fixed, anyOf }: FieldSchema): string[] | undefined {
  if (words !== undefined) return words.map(String)
  if (fixed !== undefined) return [String(fixed)]
  if (anyOf?.every((one) => one.const !== undefined)) return anyOf.map((one) => String(one.const))
  return undefined
}

function initialOf({ default: value }: FieldSchema, kind: FieldKind): string {
  if (value === undefined || value === null) return ''
  if (kind === 'list') return Array.isArray(value) ? value.join(', ') : ''
  if (kind === 'shape') return ''
  return String(value)
}

/** weightBits → Weight bits. */
function labelOf(name: string): string {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The recipe that the values stand for; what is as it was by default is left out. */
export function recipeOf(
  command: string,
  fields: readonly Field[],
  schema: CommandSchema,
  values: Values,
): Record<string, unknown> {
  const recipe: Record<string, unknown> = { command }
  for (const { name, kind, initial, required } of fields) {
    const text = (values[name] ?? initial).trim()
    if (text === initial && !required) continue
    if (text === '') continue
    recipe[name] = typedValue(text, kind, schema.properties[name] ?? {})
  }
  return recipe
}

function typedValue(text: string, kind: FieldKind, schema: FieldSchema): unknown {
  if (kind === 'tick') return text === 'true'
  if (kind === 'number') return Number(text)
  if (kind === 'list') {
    const words = text
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '')
    return /integer|number/.test(schema.items?.type ?? '') ? words.map(Number) : words
  }
  if (kind === 'shape') return Object.fromEntries(text.split(',').flatMap(shapeOf))
  const typed = [...(schema.enum ?? []), ...(schema.anyOf ?? []).map((one) => one.const)]
  return typed.find((value) => String(value) === text) ?? text
}

/** name:1x3x224x224 */
function shapeOf(text: string): [string, number[]][] {
  const [, name, dims] = /^\s*(.+):(\d+(?:x\d+)*)\s*$/.exec(text) ?? []
  return name === undefined || dims === undefined ? [] : [[name, dims.split('x').map(Number)]]
}

/** A recipe's values as texts of the form. */
export function valuesOf(recipe: Readonly<Record<string, unknown>>): Values {
  return Object.fromEntries(
    Object.entries(recipe).map(([name, value]) => {
      if (Array.isArray(value)) return [name, value.join(', ')]
      if (typeof value !== 'object' || value === null) return [name, String(value)]
      const shapes = Object.entries(value).map(([key, dims]) => `${key}:${Array.isArray(dims) ? dims.join('x') : dims}`)
      return [name, shapes.join(', ')]
    }),
  )
}
