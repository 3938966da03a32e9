// Embeddings of two models on the same samples: each text's mean over the tokens that the mask keeps, and each token on its own.
import { type Batch, elementOf } from '../data/index.ts'
import type { Values } from '../runtime/index.ts'
import { cosineOf, meanCosine } from './cosine.ts'
import type { MetricValue } from './figures.ts'
import { retrievalAgreement } from './retrieval.ts'
import type { TextOutput } from './text-output.ts'

/** How near the embeddings of a model are to those of another. */
export interface Similarity {
  /** Mean cosine of the texts' embeddings. */
  readonly pooled: MetricValue
  /** Mean over the texts of the mean cosine of their tokens; absent where the output is one embedding a text. */
  readonly byToken?: MetricValue
  /** Share of texts whose nearest other text is the same. */
  readonly retrieval?: MetricValue
}

/** Texts whose embeddings are kept to find their neighbours; more change nothing that can be told. */
const KEPT = 1000

/** Adds up embeddings, batch by batch. */
export class SimilarityTally {
  readonly #text: TextOutput
  readonly #pooled: number[] = []
  readonly #byToken: number[] = []
  readonly #kept: { before: Float64Array[]; after: Float64Array[] } = { before: [], after: [] }

  constructor(text: TextOutput) {
    this.#text = text
  }

  /** Outputs of both models without what only filled a fixed batch up, and the batch. Texts that hold NaN count nothing. */
  add(before: Values, after: Values, batch: Batch): void {
    const [reference, got] = [before[this.#text.output], after[this.#text.output]]
    const [a, b] = [reference?.data, got?.data]
    if (!reference || !(a instanceof Float32Array) || !(b instanceof Float32Array) || a.length !== b.length) return
    const { dims } = reference
    const width = dims.at(-1) ?? 0
    const rows = dims.length === 3 ? (dims[1] ?? 0) : 1
    if (dims.length < 2 || dims.length > 3 || dims[0] !== batch.size || width < 2) return
    for (let text = 0; text < batch.size; text++) {
      const tokens = this.#keptTokens(batch, text, rows)
      const start = text * rows * width
      const [first, second] = [pool(a, start, tokens, width), pool(b, start, tokens, width)]
      if (first.some(Number.isNaN)) continue
      this.#pooled.push(known(cosineOf(first, second)))
      if (dims.length === 3) {
        const cosines = tokens.map((token) => known(cosineOf(a, b, { from: start + token * width, length: width })))
        this.#byToken.push(cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length)
      }
      if (this.#kept.before.length === KEPT) continue
      this.#kept.before.push(first)
      this.#kept.after.push(second)
    }
  }

  /** The tokens of a text that its mask keeps; all of them without one of that length. */
  #keptTokens({ inputs, size }: Batch, text: number, rows: number): number[] {
    const all = Array.from({ length: rows }, (_, token) => token)
    const mask = inputs[this.#text.mask ?? '']
    if (!mask || mask.data.length % size !== 0 || mask.dims.at(-1) !== rows || mask.dims.length > 2) return all
    const kept = all.filter((token) => elementOf(mask, text * rows + token) !== 0)
    return kept.length > 0 ? kept : all
  }

  result(): Similarity | undefined {
    if (this.#pooled.length === 0) return undefined
    const retrieval = retrievalAgreement(this.#kept.before, this.#kept.after)
    return {
      pooled: meanCosine('cosine', this.#pooled),
      ...(this.#byToken.length > 0 && { byToken: meanCosine('cosine by token', this.#byToken) }),
      ...(retrieval && { retrieval }),
    }
  }
}

/** A model that gives NaN is as far away as can be. */
function known(cosine: number): number {
  return Number.isNaN(cosine) ? -1 : cosine
}

function pool(data: Float32Array, start: number, tokens: readonly number[], width: number): Float64Array {
  const mean = new Float64Array(width)
  for (const token of tokens)
    for (let i = 0; i < width; i++) mean[i]! += (data[start + token * width + i] ?? 0) / tokens.length
  return mean
}
