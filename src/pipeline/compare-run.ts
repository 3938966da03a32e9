// What is known at the end of a comparison of two files.
import type { LayerSqnr } from '../calibrate/index.ts'
import type { Comparison } from '../metrics/index.ts'
import type { Latency } from '../runtime/index.ts'

/** Result of `compare`. */
export interface CompareRun {
  readonly comparison: Comparison
  /** Samples that were to be compared; all of them, unless somebody had seen enough. */
  readonly chosen: number
  readonly latency: { readonly before: Latency; readonly after: Latency }
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly layers: readonly LayerSqnr[]
  readonly notes: readonly string[]
}
