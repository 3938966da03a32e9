// next-token: the share of positions at which a sequence model names the token that follows.
import type { Metric } from './metric.ts'
import { topK } from './top-k.ts'

export const nextToken: Metric = topK(1, 'next-token')
