// What a JSON schema of recipes says about each command's fields.

/** A field of a JSON schema, as far as forms and checks look at it. */
export interface FieldSchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly FieldSchema[]
  readonly items?: FieldSchema
  readonly default?: unknown
  readonly description?: string
}

export interface CommandSchema {
  readonly properties: Readonly<Record<string, FieldSchema>>
  readonly required: readonly string[]
}

/** The schema of each command, from the schema of all recipes. */
export function commandSchemas(schema: Readonly<Record<string, unknown>>): Map<string, CommandSchema> {
  const variants = [schema['oneOf'], schema['anyOf']].find(Array.isArray) ?? []
  const found = new Map<string, CommandSchema>()
  for (const variant of variants as readonly Partial<CommandSchema>[]) {
    const { properties = {}, required = [] } = variant
    const command = properties['command']?.const
    if (typeof command === 'string') found.set(command, { properties, required })
  }
  return found
}

/** Fields that hold any text: a path may be among them. */
export function freeTextFields({ properties }: CommandSchema): Set<string> {
  const isFree = ({ type, enum: words, const: fixed, anyOf = [] }: FieldSchema): boolean =>
    (type === 'string' && words === undefined && fixed === undefined) || anyOf.some(isFree)
  return new Set(Object.entries(properties).flatMap(([name, field]) => (isFree(field) ? [name] : [])))
}
