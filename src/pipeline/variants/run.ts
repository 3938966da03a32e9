// What is known at the end of `variants`, and as JSON.
import type { VariantDtype } from '../../recipe/index.ts'
import { jsonDb } from '../verdict.ts'

/** One file: a graph in one form. */
export interface Variant {
  readonly dtype: VariantDtype
  readonly graph: string
  /** Where it lies, or would. */
  readonly file: string
  /** Absent where it could not be made. */
  readonly sizeBytes?: number
  readonly written: boolean
  /** Why it was not written. */
  readonly reason?: string
  /** Of the worst output, in dB; null for an exact match; absent where nothing was compared. */
  readonly sqnrDb?: number | null
  /** Mean cosine of the texts' embeddings, pooled by their mask, for models that give some. */
  readonly cosine?: number
  /** The same between the runtimes; of all outputs where there is no embedding. */
  readonly runtimeCosine?: number
  readonly agreement?: number
  /** Of a decoder: share of the tokens that it writes greedily, with its cache, otherwise than the float model. */
  readonly tokenErrorRate?: number
  /** Runtime → median of a run with one sample. */
  readonly latencyMs: Readonly<Record<string, number>>
  /** Runtime → true, or why the file is not for it. */
  readonly loads: Readonly<Record<string, true | string>>
  /** In float16: nodes that stay float32, and why. */
  readonly float32?: readonly { readonly name: string; readonly reason: string }[]
}

/** The float model of a graph, to compare with. */
export interface FloatGraph {
  readonly graph: string
  readonly file: string
  readonly sizeBytes: number
  readonly latencyMs: Readonly<Record<string, number>>
}

export interface VariantsRun {
  readonly variants: readonly Variant[]
  readonly float: readonly FloatGraph[]
  /** Runtimes that were tried. */
  readonly runtimes: readonly string[]
  readonly notes: readonly string[]
}

/** As `--json` prints it. */
export function variantsJson(
  { variants, float, notes }: VariantsRun,
  advice: readonly string[],
): Record<string, unknown> {
  return {
    variants: variants.map(({ sqnrDb, ...variant }) => ({
      ...variant,
      ...(sqnrDb === undefined ? {} : { sqnrDb: jsonDb(sqnrDb), ...(sqnrDb === null ? { exact: true } : {}) }),
    })),
    float,
    advice,
    notes,
  }
}
