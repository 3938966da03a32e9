// What is wrong with a recipe, in one sentence.
import type * as z from 'zod'
import { didYouMean } from '../base/index.ts'
import type { CommandName } from './commands.ts'
import { commandSchema, expectationOf } from './json-schema.ts'

/** The first problem of a recipe that did not fit its schema. */
export function problemOf(command: CommandName, issue: z.core.$ZodIssue | undefined, json: unknown): string {
  const { properties } = commandSchema(command)
  if (issue?.code === 'unrecognized_keys' && issue.path.length === 0) {
    const key = issue.keys[0] ?? ''
    return `${command} has no field "${key}"${didYouMean(key, Object.keys(properties))}`
  }
  const path = issue?.path ?? []
  const schema = properties[String(path[0])]
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json)
  const field = `"${path.join('.')}"`
  if (value === undefined) return `${field} is missing${schema?.description ? `: ${schema.description}` : ''}`
  const known = issue?.code === 'invalid_value' ? issue.values.map(String) : []
  const target = path.length === 1 ? schema : path.length === 2 ? schema?.items : undefined
  const expected = target ? expectationOf(target) : (issue?.message ?? 'it is wrong')
  return `${field} is ${JSON.stringify(value)}, ${expected}${typeof value === 'string' ? didYouMean(value, known) : ''}`
}
