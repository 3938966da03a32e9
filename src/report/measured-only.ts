// Leaves out what was measured but is not a number, so that no rendering has to show NaN or draw at infinity.
import type { Report } from './report.ts'
import { checkReport } from './schema.ts'

/** Parts that say nothing when one of their numbers is missing. */
const indivisible = new Set([
  'channels',
  'channelsAfter',
  'difference',
  'histogram',
  'interval',
  'meanShift',
  'metric',
  'ranges',
  'rangesAfter',
  'pooled',
  'byToken',
  'retrieval',
  'similarity',
])

/** SQNR is the exception: NaN and minus infinity say that a layer is dead, and every rendering says so too. */
const decibels = new Set(['outputs', 'sqnrDb', 'naiveSqnrDb', 'randomSqnrDb'])

/**
 * The report without figures that are not finite numbers: they become not measured.
 * @throws InputError when a value has the wrong type.
 */
export function measuredOnly(report: Report): Report {
  return checkReport(finite(report), 'the report')
}

/** undefined for what has to go. */
function finite(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (Array.isArray(value)) {
    const items = value.map(finite)
    return items.includes(undefined) ? undefined : items
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [key, decibels.has(key) ? item : finitePart(key, item)])
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined))
}

function finitePart(key: string, part: unknown): unknown {
  const kept = finite(part)
  if (!indivisible.has(key) || typeof kept !== 'object' || kept === null || part === null) return kept
  // A metric outlives its difference, nothing else.
  const lost = Object.keys(part ?? {}).filter((name) => name !== 'difference' && !(name in kept))
  return lost.length > 0 ? undefined : kept
}
