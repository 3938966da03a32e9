// Why a variant is not written, although it was made.
import type { Comparison } from '../../metrics/index.ts'
import { formatBytes } from '../../report/index.ts'
import { worstOutput } from '../verdict.ts'
import type { CheckedVariant } from './check-variant.ts'

/** A file that is larger than this share of the float model is not worth having. */
const SMALLER = 0.95

interface Facts {
  readonly sizeBytes: number
  readonly floatBytes: number
  readonly loads: CheckedVariant['loads']
  readonly comparison: Comparison | undefined
}

/** A sentence, or undefined for a file that is worth having: it loads, is smaller, and keeps what it should. */
export function whyNotWritten(
  { sizeBytes, floatBytes, loads, comparison }: Facts,
  minSqnr: number,
): string | undefined {
  const answers = Object.entries(loads)
  const [first] = answers
  if (first && answers.every(([, how]) => how !== true)) return `no runtime loads it: ${first[0]} says: ${first[1]}`
  const worst = comparison && worstOutput(comparison)
  if (worst && worst.db !== null && !(worst.db >= minSqnr))
    return `output ${worst.name} has ${worst.db.toFixed(1)} dB against the float model, less than ${minSqnr} (--min-sqnr)`
  if (sizeBytes > SMALLER * floatBytes)
    return `it would have ${formatBytes(sizeBytes)}, the float model has ${formatBytes(floatBytes)}: what it multiplies with cannot be stored in this form`
  return undefined
}
