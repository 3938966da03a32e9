// What a JSON schema of recipes says about each command's fields.
import type { CommandSchema, FieldSchema } from '../pipeline/index.ts'

/** The schema of each command, from the schema of all recipes. */
export function commandSchemas({ oneOf }: { readonly oneOf: readonly CommandSchema[] }): Map<string, CommandSchema> {
  return new Map(oneOf.map((schema) => [String(schema.properties['command']?.const), schema]))
}

/** Fields that hold any text: a path may be among them. */
export function freeTextFields({ properties }: CommandSchema): Set<string> {
  const isFree = ({ type, enum: words, const: fixed, anyOf = [] }: FieldSchema): boolean =>
    (type === 'string' && words === undefined && fixed === undefined) || anyOf.some(isFree)
  return new Set(Object.entries(properties).flatMap(([name, field]) => (isFree(field) ? [name] : [])))
}
