// The first screen: the verdict, three big answers, what to do next.
import { bareHeadline, originalOf, resultOf } from '../figures.ts'
import { formatCosine, formatDb, formatFactor, formatPercent, formatSigned } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import type { Report, VariantRow, Verdict, VerdictPoint } from '../report.ts'
import { factList } from './parts.ts'
import { repairSection } from './repairs.ts'

const toneWords: Readonly<Record<Verdict['tone'], string>> = {
  good: '✓ Good result',
  mixed: '~ Mixed result',
  bad: '✕ Bad result',
  dead: '✕ Dead model – do not use it',
}

const answerMarks: Readonly<Record<VerdictPoint['answer'], string>> = {
  yes: '✓ Yes',
  no: '✕ No',
  unclear: '~ Unclear',
  'not measured': '– Not measured',
}

/** Headline, answers, advice, and the labelled facts. */
export function verdictSection(report: Report): Markup {
  const { verdict, facts } = report
  const advice = verdict.advice.map((sentence) => markup`<li>${sentence}</li>`)
  return markup`
    <section class="verdict ${verdict.tone}" id="verdict">
      <p class="tone">${toneWords[verdict.tone]}</p>
      <h1>${bareHeadline(verdict)}</h1>
      <p class="title">${report.title}</p>
    </section>
    <section class="answers" aria-label="Answers">${verdict.points.map((point) => answerCard(point, report))}</section>
    ${repairSection(report)}
    <div class="next">
      ${advice.length > 0 && markup`<section><h2>What to do next</h2><ul>${advice}</ul></section>`}
      ${facts.length > 0 && markup`<section><h2>At a glance</h2>${factList(facts)}</section>`}
    </div>`
}

function answerCard(point: VerdictPoint, report: Report): Markup {
  const hero = heroOf(point, report)
  return markup`
    <article class="answer ${point.answer.replace(' ', '-')}">
      <header>
        <h2>${point.question.charAt(0).toUpperCase()}${point.question.slice(1)}?</h2>
        <span class="pill">${answerMarks[point.answer]}</span>
      </header>
      ${hero !== undefined && markup`<p class="hero"><b>${hero.figure}</b> ${hero.words}</p>`}
      <p class="figures">${point.text}</p>
    </article>`
}

interface Hero {
  readonly figure: string
  readonly words: string
}

/** The figure a card leads with, and what it counts; undefined when nothing was measured. */
function heroOf({ question, answer }: VerdictPoint, report: Report): Hero | undefined {
  const before = originalOf(report)
  const after = resultOf(report)
  if (before === undefined || after === undefined || answer === 'not measured') return undefined
  if (question === 'smaller') return factorHero(before.sizeBytes, after.sizeBytes, 'smaller', 'larger')
  if (question === 'faster') return factorHero(before.latencyMs, after.latencyMs, 'faster', 'slower')
  return accuracyHero(before, after)
}

function factorHero(
  before: number | undefined,
  after: number | undefined,
  better: string,
  worse: string,
): Hero | undefined {
  if (before === undefined || after === undefined || !(before > 0) || !(after > 0)) return undefined
  return after <= before
    ? { figure: formatFactor(before / after), words: better }
    : { figure: formatFactor(after / before), words: worse }
}

/** The difference of the metric where there is one, else the cosine of embeddings, else the agreement, else the SQNR. */
function accuracyHero(before: VariantRow, after: VariantRow): Hero | undefined {
  const metric = after.metric
  if (metric !== undefined && before.metric !== undefined) {
    const difference = metric.difference?.value ?? metric.value - before.metric.value
    const unit = metric.unit ?? 'points'
    return { figure: formatSigned(difference, metric.unit), words: `${unit} ${metric.name}`.trim() }
  }
  if (after.similarity) return { figure: formatCosine(after.similarity.pooled.value), words: 'cosine' }
  if (after.agreement !== undefined) return { figure: formatPercent(after.agreement), words: 'same answers' }
  if (after.sqnrDb === undefined) return undefined
  return { figure: formatDb(after.sqnrDb), words: 'SQNR' }
}
