// What a file must hold to be written: what was asked of it, and that something is gained by it at all.
import { RefusedError } from '../../base/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { formatBytes } from '../../report/index.ts'
import { faster, smaller, worstOutput } from '../verdict.ts'

/** @throws RefusedError for a file that is larger, or an output that has more noise, than was asked for */
export function checkPromises(
  { maxBytes, minSqnr }: QuantizeRecipe,
  bytes: number,
  comparison: Comparison | undefined,
): void {
  if (maxBytes !== undefined && bytes > maxBytes)
    throw new RefusedError(
      `the file has ${bytes} bytes, more than ${maxBytes}: allow more, or try --mode weights --weight-bits 4 and --embeddings 4`,
    )
  const worst = comparison && worstOutput(comparison)
  if (minSqnr !== undefined && worst && worst.db !== null && !(worst.db >= minSqnr))
    throw new RefusedError(
      `output ${worst.name} has ${worst.db.toFixed(2)} dB on the scored samples, less than ${minSqnr}: ask for less, or keep more of the model in float (--exclude)`,
    )
}

/** Below this nobody quantises a file for its size, and a run is too short to be timed. */
const SMALL_FILE = 64 * 1024

/**
 * Says that a file is neither smaller nor faster than the float model, which is the better one then; undefined where something is gained.
 * @param latency as it was measured on the runtime that the file is for; absent: it was not, and nothing is said
 */
export function gainsNothing(
  { mode, force }: QuantizeRecipe,
  sizeBytes: { readonly before: number; readonly after: number },
  latency: Parameters<typeof faster>[0]['latency'],
): string | undefined {
  if (force || !latency || (mode !== 'static' && mode !== 'dynamic') || sizeBytes.before < SMALL_FILE) return undefined
  const [size, time] = [smaller({ sizeBytes }), faster({ latency })]
  if (size.answer === 'yes' || time.answer === 'yes') return undefined
  return `integers gain nothing here (${formatBytes(sizeBytes.before)} → ${formatBytes(sizeBytes.after)}, ${time.text}): the result is the float model as it came; for its size try --mode weights or --mode float16; --force writes the quantised one all the same`
}
