// What zod found wrong in a JSON file, as one half sentence.
import type * as z from 'zod'

/** The first problem and where it is: `"sample.dtype": Invalid option…`. */
export function jsonProblem(error: z.ZodError): string {
  const issue = error.issues[0]
  if (!issue) return error.message
  const path = issue.path.join('.')
  return path === '' ? issue.message : `"${path}": ${issue.message}`
}
