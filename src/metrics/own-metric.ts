// A person's own metric: the default export of their module, checked, and with errors that name their file.
import { InputError, messageOf, OnnxpressError } from '../base/index.ts'
import { defineMetric, type Metric } from './metric.ts'

/**
 * A metric from what a module exports: `{ name, score, unit?, lowerIsBetter?, needsLabels?, total? }`, see Metric.
 * @throws InputError naming the file and what is wrong
 */
export function ownMetric(exported: unknown, file: string): Metric {
  const fail = (what: string, cause?: unknown) =>
    new InputError(`cannot use the metric ${file}: ${what}`, { file }, cause)
  if (typeof exported !== 'object' || exported === null)
    throw fail('its default export must be an object { name, score(sample) }')
  const { name, unit, lowerIsBetter, needsLabels = false, score, total } = exported as Partial<Metric>
  let metric: Metric
  try {
    metric = defineMetric({
      name: name as string,
      needsLabels: needsLabels === true,
      score: score as Metric['score'],
      ...(unit === undefined ? {} : { unit }),
      ...(lowerIsBetter === true && { lowerIsBetter }),
      ...(total === undefined ? {} : { total }),
    })
  } catch (error) {
    throw fail(messageOf(error), error)
  }
  const guarded = <T>(work: () => T, where: string): T => {
    try {
      return work()
    } catch (error) {
      throw error instanceof OnnxpressError ? error : fail(`it failed ${where} (${messageOf(error)})`, error)
    }
  }
  return {
    ...metric,
    score: (sample) => {
      const value = guarded(() => metric.score(sample), `on sample "${sample.id}"`)
      if (!metric.total && !isScore(value))
        throw fail(
          `it gave ${printed(value)} for sample "${sample.id}"; expected a finite number, a list of them, or undefined`,
        )
      return value
    },
    ...(metric.total
      ? {
          total: (scores) => {
            const value = guarded(() => metric.total?.(scores), 'in "total"')
            if (typeof value === 'number' && Number.isFinite(value)) return value
            throw fail(`its "total" gave ${printed(value)}; expected a finite number`)
          },
        }
      : {}),
  }
}

function isScore(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return true
  return [value].flat().every((each) => typeof each === 'number' && Number.isFinite(each))
}

function printed(value: unknown): string {
  if (value instanceof Promise) return 'a promise'
  return typeof value === 'number' || value === null ? String(value) : `a value of type ${typeof value}`
}
