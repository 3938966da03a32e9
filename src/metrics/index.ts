// metrics: scoring a model, and two models on the same samples. One file a metric; a person's own comes as a module.
// Imports base, math, data and runtime; never calibrate or anything above.
export type { ColumnGroup } from './columns.ts'
export * from './compare.ts'
export { figureOf, type MetricPair, type MetricValue, pairOf } from './figures.ts'
export { defineMetric, type Metric, type ScoredSample } from './metric.ts'
export { nextToken } from './next-token.ts'
export { ownMetric } from './own-metric.ts'
export { metricNamed, scoreSession, usualMetric } from './score.ts'
export { topK } from './top-k.ts'
