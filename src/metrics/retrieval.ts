// retrieval: does each text find the same nearest other text among the samples, whichever model embeds them?
import { wilsonInterval } from '../math/index.ts'
import { cosineOf } from './cosine.ts'
import type { MetricValue } from './figures.ts'

/** Texts that are held against each other at most: the work grows with their square. */
const MOST_TEXTS = 1000
/** Texts this alike are equally near: the same text twice among the samples, for one. */
const TIE = 1e-6

/**
 * Share of texts whose nearest other text is the same in both models, by the cosine of their embeddings; of texts that are equally
 * near for the first model either counts. Undefined for fewer than three texts, where there is nothing to find.
 */
export function retrievalAgreement(
  before: readonly Float64Array[],
  after: readonly Float64Array[],
): MetricValue | undefined {
  const texts = Math.min(before.length, MOST_TEXTS)
  if (texts < 3) return undefined
  const [first, second] = [before, after].map((list) => list.slice(0, texts)) as [Float64Array[], Float64Array[]]
  let same = 0
  for (let text = 0; text < texts; text++) {
    const own = nearest(first, text)
    const other = nearest(second, text)
    if (cosineOf(first[text]!, first[other]!) >= cosineOf(first[text]!, first[own]!) - TIE) same++
  }
  return { name: 'retrieval', value: same / texts, samples: texts, interval: wilsonInterval(same, texts) }
}

function nearest(texts: readonly Float64Array[], text: number): number {
  let [best, found] = [Number.NEGATIVE_INFINITY, text]
  for (let other = 0; other < texts.length; other++) {
    if (other === text) continue
    const cosine = cosineOf(texts[text]!, texts[other]!)
    if (cosine > best) [best, found] = [cosine, other]
  }
  return found
}
