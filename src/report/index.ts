// report: the Report type and its renderings. Imports only base; knows nothing of models, sessions or runs.
export * from './report.ts'
