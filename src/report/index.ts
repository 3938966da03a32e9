// report: the Report type and its renderings. Imports only base; knows nothing of models, sessions or runs.
// Runs in browsers too; the studio draws with the same charts.

export type * from './analysis-rows.ts'
export * from './charts/index.ts'
export { resultOf } from './figures.ts'
export * from './format.ts'
export * from './html/layer-pictures.ts'
export * from './html.ts'
export * from './json.ts'
export * from './markdown.ts'
export * as markdownParts from './markdown-parts.ts'
export * from './range-summary.ts'
export { HURT_DB, type Repair, type Repairs, repairOf, repairsOf } from './repair.ts'
export * from './report.ts'
export * from './schema.ts'
export * from './summary.ts'
