// What is said of embeddings: whether they are near enough to the original's, in words, in JSON, in the rows of the report.
import type { Comparison, MetricValue, Similarity } from '../metrics/index.ts'
import { formatCosine, formatPercent, type VariantRow, type VerdictPoint } from '../report/index.ts'

/** Mean cosine of the texts' embeddings from which on they are as good: what noise of 20 dB leaves, the bound of other outputs. */
const ALIKE = 0.995

/** Are the embeddings near enough? Where the interval of the cosine ends below the bound they may not be, which is no. */
export function isAlike({ pooled: { value, interval, samples } }: Similarity): VerdictPoint['answer'] {
  return (samples > 1 ? interval.low : value) >= ALIKE ? 'yes' : 'no'
}

/** "cosine 0.9985 (95 % 0.9981 to 0.9988), by token 0.9970, nearest text the same for 97.0 %". */
export function similarityWords({ pooled, byToken, retrieval }: Similarity): string {
  const { low, high } = pooled.interval
  const span = pooled.samples > 1 ? ` (95 % ${formatCosine(low)} to ${formatCosine(high)})` : ''
  return [
    `cosine ${formatCosine(pooled.value)}${span}`,
    byToken ? `by token ${formatCosine(byToken.value)}` : '',
    retrieval ? `nearest text the same for ${formatPercent(retrieval.value)}` : '',
  ]
    .filter((part) => part !== '')
    .join(', ')
}

/** Similarity for JSON: the cosine as a number, and all figures with their intervals. */
export function similarityJson({ similarity }: Pick<Comparison, 'similarity'>): Record<string, unknown> {
  if (!similarity) return {}
  const figure = (given: MetricValue | undefined, key: keyof Similarity) => {
    if (!given) return {}
    const { value, samples, interval } = given
    return { [key]: { value, samples, interval } }
  }
  const { pooled, byToken, retrieval } = similarity
  return {
    cosine: pooled.value,
    similarity: { ...figure(pooled, 'pooled'), ...figure(byToken, 'byToken'), ...figure(retrieval, 'retrieval') },
  }
}

/** Similarity for a row of the report. */
export function similarityRow({ similarity }: Pick<Comparison, 'similarity'>): Pick<VariantRow, 'similarity'> {
  return similarity ? { similarity } : {}
}
