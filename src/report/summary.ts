// The ten lines a terminal shows when a run ends: the verdict first, then figures, weak spots, advice and files.
import { bareHeadline, floatGroups, otherWords, placementOf, worstLayers } from './figures.ts'
import { formatDb, formatPercent, formatPlural, plainText } from './format.ts'
import { measuredOnly } from './measured-only.ts'
import type { Report, Verdict, VerdictPoint } from './report.ts'
import { techniqueLines } from './technique-lines.ts'

export interface SummaryOptions {
  /** ANSI colours; off by default. */
  readonly colour?: boolean
  /** Columns of the terminal, 80 by default; text wraps, nothing is cut. */
  readonly width?: number
}

type Paint = (style: string, text: string) => string

const toneMarks: Readonly<Record<Verdict['tone'], readonly [mark: string, style: string]>> = {
  good: ['✔', '1;32'],
  mixed: ['●', '1;33'],
  bad: ['✖', '1;31'],
  dead: ['✖ DEAD:', '1;37;41'],
}

const answerStyles: Readonly<Record<VerdictPoint['answer'], string>> = {
  yes: '32',
  no: '31',
  unclear: '33',
  'not measured': '2',
}

/** Renders a report as about ten aligned lines, without a newline at the end. */
export function renderSummary(given: Report, options: SummaryOptions = {}): string {
  const report = measuredOnly(given)
  const width = Math.max(40, options.width ?? 80)
  const paint: Paint = (style, text) => (options.colour === true ? `\u001b[${style}m${text}\u001b[0m` : text)
  const { verdict } = report
  const [mark, style] = toneMarks[verdict.tone]
  const headline = wrap(`${mark} ${plainText(bareHeadline(verdict))}`, width)
  const lines = headline.map((line) => paint(style, verdict.tone === 'dead' ? line.padEnd(width) : line))
  for (const row of rows(report, width)) lines.push(...labelled(row, width, paint))
  if (verdict.tone === 'dead') lines.push(paint(style, 'Do not use this model.'.padEnd(width)))
  return lines.map((line) => line.trimEnd()).join('\n')
}

/** Notes of a summary; more are rare. */
const mostNotes = 8

type Row = readonly [label: string, text: string, answer?: VerdictPoint['answer']]

function rows(report: Report, width: number): Row[] {
  const { verdict, notes } = report
  const list: Row[] = verdict.points.map((point) => [point.question, point.text, point.answer])
  const techniques = techniqueLines(report.ladder ?? [], width - labelWidth)
  for (const [index, line] of techniques.entries())
    list.push([index === 0 ? 'techniques' : '', line.replaceAll(' ', glue)])
  const layers = layersRow(report)
  if (layers !== undefined) list.push(['layers', layers])
  const worst = worstRow(report)
  if (worst !== undefined) list.push(['worst', worst])
  const float = floatRow(report)
  if (float !== undefined) list.push(['in float', float])
  for (const [index, advice] of verdict.advice.slice(0, 2).entries()) list.push([index === 0 ? 'advice' : '', advice])
  // What was assumed has to be seen; with many notes the report has the rest.
  const shown = notes.slice(0, mostNotes)
  for (const [index, note] of shown.entries()) {
    const more =
      index === shown.length - 1 && notes.length > mostNotes ? ` (${notes.length - mostNotes} more in the report)` : ''
    list.push([index === 0 ? 'note' : '', note + more])
  }
  for (const [index, file] of (report.files ?? []).entries()) {
    list.push([index === 0 ? 'files' : '', `${file.path} (${file.label})`])
  }
  return list
}

function layersRow(report: Report): string | undefined {
  const placement = placementOf(report)
  if (placement === undefined) return undefined
  const share = placement.macShare === undefined ? '' : `, ${formatPercent(placement.macShare)} of the multiplications`
  const others = otherWords(report)
  const rest = others === undefined ? '' : `; in float beside them ${others}`
  return `${placement.integer} of ${placement.known} run in integers${share}${rest}`
}

function worstRow(report: Report): string | undefined {
  const worst = worstLayers(report.layers, 2)
  if (worst.length === 0) return undefined
  return worst.map((layer) => `${layer.name} ${formatDb(layer.sqnrDb)}`.replace(/\s+/g, glue)).join(', ')
}

function floatRow(report: Report): string | undefined {
  const groups = floatGroups(report.layers)
  const first = groups[0]
  if (first === undefined) return undefined
  const [layer] = first.layers
  const only = first.layers.length === 1 && layer !== undefined
  const who = only ? layer.name : formatPlural(first.layers.length, 'layer')
  const rest = groups.slice(1).reduce((count, group) => count + group.layers.length, 0)
  return `${who}: ${first.reason}${rest > 0 ? ` (and ${rest} more, see the report)` : ''}`
}

/** A space at which no line is broken. */
const glue = '\u00a0'
const labelWidth = 15
const answerWidth = 14

function labelled([label, text, answer]: Row, width: number, paint: Paint): string[] {
  const indent = answer === undefined ? labelWidth : labelWidth + answerWidth
  const [first = '', ...rest] = wrap(plainText(text), width - indent)
  const start = `  ${paint('2', label.padEnd(labelWidth - 2))}`
  const middle = answer === undefined ? '' : paint(answerStyles[answer], answer.padEnd(answerWidth))
  return [`${start}${middle}${first}`, ...rest.map((line) => `${' '.repeat(indent)}${line}`)]
}

/** Breaks at spaces; a word longer than a line stays whole, so that paths can be copied. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/[ \t\n]+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((text) => text.replaceAll(glue, ' '))
}
