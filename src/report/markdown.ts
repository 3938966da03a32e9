// A report as Markdown, for a pull request or a wiki.
import type { AnalyzedLayerRow } from './analysis-rows.ts'
import { bareHeadline, floatGroups, noiseDb, placementOf, worstLayers } from './figures.ts'
import {
  formatBytes,
  formatCosine,
  formatCount,
  formatDate,
  formatDb,
  formatDifference,
  formatFactor,
  formatMetric,
  formatMs,
  formatNumber,
  formatPercent,
  formatPlural,
  formatSeconds,
  notMeasured,
} from './format.ts'
import { priceOf } from './html/analysis.ts'
import { code, fenced, list, section, table, words } from './markdown-parts.ts'
import { measuredOnly } from './measured-only.ts'
import { spreadOf } from './range-summary.ts'
import type { LayerRow, Report, StepRow, TechniqueRow, VariantRow } from './report.ts'

/** Renders a report as GitHub-flavoured Markdown, with a newline at the end. */
export function renderMarkdown(given: Report): string {
  const report = measuredOnly(given)
  const { verdict } = report
  const headline = words(bareHeadline(verdict))
  const parts = [
    `# ${words(report.title)}`,
    verdict.tone === 'dead' ? `> **DEAD: ${headline}**\n>\n> **Do not use this model.**` : `**${headline}**`,
    table(
      ['', 'Answer', ''],
      verdict.points.map((point) => [`${point.question}?`, `**${point.answer}**`, words(point.text)]),
    ),
    section('Advice', list(verdict.advice)),
    section('At a glance', list(report.facts.map((fact) => `${fact.label}: ${fact.value}`))),
    section('Which layer loses it, and why', analysisTable(report.analysis?.layers ?? [])),
    section('Measured', variantTable(report.variants)),
    section('Techniques', techniqueTable(report.ladder ?? [])),
    section('Weak spots', weakSpots(report)),
    section(
      'Steps',
      table(
        ['Step', 'Kind', 'Result', 'Must keep', 'SQNR', 'On random inputs', 'Time', 'Changes'],
        report.steps.map(stepCells),
      ),
    ),
    section('Layers', layerTable(report.layers)),
    section('Notes', list(report.notes)),
    section('Files', list((report.files ?? []).map((file) => `${file.label}: ${file.path}`))),
    section('Environment', list(Object.entries(report.environment).map(([label, value]) => `${label}: ${value}`))),
    section('Repeat this run', repeat(report)),
    `Written by onnxpress ${words(report.command)}, ${formatDate(report.createdAt)}.`,
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function analysisTable(layers: readonly AnalyzedLayerRow[]): string {
  const db = (noise: number | undefined) => formatDb(noise === undefined ? undefined : noiseDb(noise))
  return table(
    ['Layer', 'Op', 'Weights', 'Activations', 'Both', 'Cause', 'Remedy', 'It adds'],
    layers.map(({ name, op, noise, cause, remedy, ...price }) => [
      code(name),
      words(op),
      db(noise.weights),
      db(noise.activations),
      db(noise.both),
      words(cause),
      code(remedy),
      words(priceOf(price) || notMeasured),
    ]),
  )
}

function variantTable(variants: readonly VariantRow[]): string {
  const metric = variants.find((row) => row.metric !== undefined)?.metric
  const alike = variants.some(({ similarity }) => similarity !== undefined)
  const heads = [
    'Model',
    'Size',
    'Latency',
    words(metric?.name ?? 'Metric'),
    'Difference',
    'Agreement',
    ...(alike ? ['Cosine'] : []),
    'SQNR',
    'In integers',
  ]
  return table(
    heads,
    variants.map((row) => [
      row.kept === true ? `**${words(row.name)}** (kept)` : words(row.name),
      row.sizeBytes === undefined ? notMeasured : formatBytes(row.sizeBytes),
      row.latencyMs === undefined ? notMeasured : formatMs(row.latencyMs, row.latencySpreadMs),
      row.metric === undefined ? notMeasured : formatMetric(row.metric),
      row.metric === undefined ? notMeasured : formatDifference(row.metric),
      row.agreement === undefined ? notMeasured : formatPercent(row.agreement),
      ...(alike ? [row.similarity ? formatCosine(row.similarity.pooled.value) : notMeasured] : []),
      formatDb(row.sqnrDb),
      row.integerLayers === undefined ? notMeasured : `${row.integerLayers} of ${row.totalLayers ?? notMeasured}`,
    ]),
  )
}

function techniqueTable(techniques: readonly TechniqueRow[]): string {
  const metric = techniques.find((row) => row.metric !== undefined)?.metric
  return table(
    ['Technique', 'Result', 'SQNR', 'Agreement', 'KL', words(metric?.name ?? 'Metric'), 'Time', 'Why'],
    techniques.map((row) => [
      row.kept ? `**${words(row.name)}**` : words(row.name),
      row.kept ? 'kept' : 'not kept',
      formatDb(row.sqnrDb),
      row.agreement === undefined ? notMeasured : formatPercent(row.agreement),
      row.kl === undefined ? notMeasured : formatNumber(row.kl),
      row.metric === undefined ? notMeasured : formatMetric(row.metric),
      row.seconds === undefined ? notMeasured : formatSeconds(row.seconds),
      words(row.reason ?? notMeasured),
    ]),
  )
}

function weakSpots(report: Report): string {
  const placement = placementOf(report)
  const lines = worstLayers(report.layers, 5).map((layer) => `${code(layer.name)}: ${formatDb(layer.sqnrDb)}`)
  for (const group of floatGroups(report.layers)) {
    const names = group.layers.slice(0, 5).map((layer) => code(layer.name))
    const rest = group.layers.length > names.length ? ` and ${group.layers.length - names.length} more` : ''
    lines.push(
      `${formatPlural(group.layers.length, 'layer')} in float, ${words(group.reason)}: ${names.join(', ')}${rest}`,
    )
  }
  const bullets = lines.map((line) => `- ${line}`).join('\n')
  if (placement === undefined) return bullets
  return `${placement.integer} of ${formatPlural(placement.known, 'layer')} in integers.\n\n${bullets}`.trim()
}

function stepCells(step: StepRow): string[] {
  return [
    words(step.name),
    step.kind,
    step.kept ? 'kept' : step.changes.length === 0 ? 'nothing changed' : 'not kept',
    formatDb(step.boundDb),
    formatDb(step.sqnrDb),
    formatDb(step.randomSqnrDb),
    step.seconds === undefined ? notMeasured : formatSeconds(step.seconds),
    step.changes.length === 1 ? words(step.changes[0] ?? '') : formatPlural(step.changes.length, 'change'),
  ]
}

function layerTable(layers: readonly LayerRow[]): string {
  return table(
    [
      'Layer',
      'Op',
      'SQNR',
      'Naive',
      'Runs as',
      'Weights',
      'Output',
      'MACs',
      'Parameters',
      'Spread',
      'Was',
      'Mean shift',
    ],
    layers.map((layer) => [
      code(layer.name),
      words(layer.op),
      formatDb(layer.sqnrDb),
      formatDb(layer.naiveSqnrDb),
      words(layer.integer === undefined ? notMeasured : (layer.kernel ?? (layer.integer ? 'integer' : 'float'))),
      words(layer.weightGrid ?? notMeasured),
      words(layer.outputGrid ?? notMeasured),
      layer.macs === undefined ? notMeasured : formatCount(layer.macs),
      formatCount(layer.parameters),
      layer.rangeSpread === undefined ? notMeasured : formatFactor(layer.rangeSpread),
      layer.channelsAfter === undefined || layer.ranges === undefined
        ? notMeasured
        : formatFactor(spreadOf(layer.ranges)),
      layer.meanShift === undefined
        ? notMeasured
        : `${formatPercent(layer.meanShift.before)} → ${formatPercent(layer.meanShift.after)}`,
    ]),
  )
}

function repeat(report: Report): string {
  const recipe = fenced('json', JSON.stringify(report.recipe ?? null, undefined, 2))
  return report.commandLine === undefined ? recipe : `${fenced('sh', report.commandLine)}\n\n${recipe}`
}
