// Charts as pure functions from plain rows to SVG text, shared by the report and the studio.
export * from './bar-chart.ts'
export * from './channel-chart.ts'
export * from './histogram.ts'
export * from './interval-chart.ts'
export * from './line-chart.ts'
export * from './range-chart.ts'
export * from './strip.ts'
export { chartStyle, standaloneSvg, themeStyle } from './style.ts'
