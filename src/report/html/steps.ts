// What was done to the model, in order, each step with the measurement that allowed it.
import { formatDb, formatPlural, formatSeconds } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report, StepRow } from '../report.ts'
import { lead } from './parts.ts'
import { dbCell, table } from './table.ts'

const kindWords: Readonly<Record<StepRow['kind'], string>> = {
  exact: 'exact rewrite',
  bounded: 'bounded rewrite',
  step: 'step',
}

const explanation =
  'In order. The SQNR compares the model before a step with the model after it on samples: ' +
  'an exact rewrite keeps more than 100 dB, a bounded one its stated bound. What did not help was not kept.'

/** An ordered list of the steps; undefined without steps. */
export function stepSection(report: Report): Markup | undefined {
  if (report.steps.length === 0) return undefined
  const idle = report.steps.filter(isIdle)
  return markup`
    ${lead(explanation)}
    <ol class="steps">${report.steps.filter((step) => !isIdle(step)).map(stepItem)}</ol>
    ${proofTable(report.steps)}
    ${idle.length > 0 && markup`<p class="idle">Nothing to do for: ${idle.map((step) => step.name).join(', ')}.</p>`}`
}

/** Bound and measurement of each rewrite that changed something; undefined when no bound is known. */
function proofTable(steps: readonly StepRow[]): Markup | undefined {
  const proven = steps.filter((step) => step.boundDb !== undefined && step.changes.length > 0)
  if (proven.length === 0) return undefined
  return markup`<h3>Proof that the function is kept</h3>${table(proven, [
    { title: 'Rewrite', cell: (step) => step.name },
    { title: 'Kind', cell: (step) => step.kind },
    { title: 'Must keep', figure: true, cell: (step) => dbCell(step.boundDb) },
    { title: 'On samples', figure: true, cell: (step) => dbCell(step.sqnrDb) },
    { title: 'On random inputs', figure: true, cell: (step) => dbCell(step.randomSqnrDb) },
    {
      title: 'Result',
      cell: (step) =>
        step.kept ? markup`<span class="tag yes">✓ kept</span>` : markup`<span class="tag no">✕ reverted</span>`,
    },
  ])}`
}

/** A step that found nothing to change, and nothing worth a word. */
function isIdle({ kept, changes, skipped = [] }: StepRow): boolean {
  return !kept && changes.length === 0 && skipped.length === 0
}

function stepItem(step: StepRow): Markup {
  const tag = step.kept
    ? markup`<span class="tag yes">✓ kept</span>`
    : markup`<span class="tag no">${step.changes.length === 0 ? '– nothing changed' : '✕ not kept'}</span>`
  const proof = step.sqnrDb === undefined ? [] : [`SQNR ${formatDb(step.sqnrDb)}`]
  const time = step.seconds === undefined ? [] : [formatSeconds(step.seconds)]
  const meta = [kindWords[step.kind], ...proof, ...time].join(' · ')
  return markup`
    <li class="${step.kept ? 'done' : 'dropped'}">
      <p class="step"><b>${step.name}</b> ${tag} <span class="meta">${meta}</span></p>
      ${lines(step.changes, 'change')}
      ${step.skipped !== undefined && lines(step.skipped, 'left alone', true)}
    </li>`
}

/** Up to three lines are shown, more are folded. */
function lines(items: readonly string[], noun: string, skipped = false): Markup | undefined {
  if (items.length === 0) return undefined
  const list = markup`<ul>${items.map((item) => markup`<li>${skipped && 'left alone: '}${item}</li>`)}</ul>`
  if (items.length <= 3) return list
  const summary = skipped ? `${items.length} ${noun}` : formatPlural(items.length, noun)
  return markup`<details><summary>${summary}</summary>${list}</details>`
}
