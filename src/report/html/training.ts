// How a training went: the loss of its steps and the score of its epochs.
import { lineChart } from '../charts/index.ts'
import { formatNumber, formatPlural } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report, TrainingRows } from '../report.ts'
import { lead, twoSizes } from './parts.ts'

/** Curves of loss and score; undefined when nothing was trained. */
export function trainingSection({ training }: Report): Markup | undefined {
  if (!training || training.epochs.length === 0) return undefined
  return markup`${lossFigure(training)}${scoreFigure(training)}${epochTable(training)}`
}

/** Steps drawn at most. */
const MOST_POINTS = 200

function lossFigure({ losses }: TrainingRows): Markup {
  const every = Math.max(1, Math.ceil(losses.length / MOST_POINTS))
  const shown = losses.filter((_, i) => i % every === 0)
  // The axis of the chart reaches 10: shares of the first loss in per cent read well on it.
  const first = shown[0]?.loss || 1
  const points = shown.map(({ step, loss }) => ({
    value: (100 * loss) / first,
    title: `step ${step + 1}: loss ${formatNumber(loss, 4)}`,
  }))
  return figure('Loss', `Loss of single steps, 100 is the first one (${formatNumber(first, 3)}). Lower is better.`, {
    points,
    label: `Loss over ${formatPlural(losses.length, 'step')}, from ${formatNumber(first, 3)} to ${formatNumber(shown.at(-1)?.loss ?? 0, 3)}.`,
    xAxis: every === 1 ? 'step that was kept' : `one in ${every} of the steps that were kept`,
    yAxis: '% of the first loss',
  })
}

function scoreFigure({ epochs, scoreName, before, best }: TrainingRows): Markup | undefined {
  if (!epochs.some(({ score }) => score !== undefined)) return undefined
  const share = scoreName !== 'SQNR'
  const figureOf = (score: number) => (share ? 100 * score : score)
  const unit = share ? '%' : 'dB'
  const scored = [{ epoch: 0, score: before }, ...epochs]
  const points = scored.map(({ epoch, score }) => ({
    value: score === undefined ? undefined : figureOf(score),
    title: `${epoch === 0 ? 'before training' : `epoch ${epoch}`}: ${score === undefined ? '–' : formatNumber(figureOf(score), 4)} ${unit}`,
    ...(epoch === best ? { badge: '★' } : {}),
  }))
  return figure(
    'Score',
    `${scoreName ?? 'Score'} on held-back samples; the first point is the model before training, ★ the epoch that was kept.`,
    {
      points,
      label: `${scoreName ?? 'Score'} before training and after each of ${formatPlural(epochs.length, 'epoch')}.`,
      xAxis: 'epoch + 1',
      yAxis: `${scoreName ?? 'score'} (${unit})`,
    },
  )
}

function figure(title: string, explanation: string, chart: Parameters<typeof lineChart>[0]): Markup {
  const drawn = twoSizes((size) =>
    lineChart(size === 'wide' ? chart : { ...chart, width: 350, height: 260, titles: false }),
  )
  return markup`<figure><figcaption>${title}</figcaption>${lead(explanation)}${drawn}</figure>`
}

function epochTable({ epochs, best }: TrainingRows): Markup {
  const rows = epochs.map(
    ({ epoch, loss, score, rate, seconds }) => markup`<tr>
      <td class="num">${epoch}${epoch === best ? ' ★' : ''}</td>
      <td class="num">${formatNumber(loss, 4)}</td>
      <td class="num">${score === undefined ? '–' : formatNumber(score, 4)}</td>
      <td class="num">${formatNumber(rate, 3)}</td>
      <td class="num">${formatNumber(seconds, 3)}</td>
    </tr>`,
  )
  return markup`<div class="scroll"><table>
    <thead><tr><th>epoch</th><th>loss</th><th>score</th><th>learning rate</th><th>seconds</th></tr></thead>
    <tbody>${rows}</tbody></table></div>`
}
