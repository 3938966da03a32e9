// A report as one self-contained page: first screen for who decides, everything below for who looks closer.
import { formatDate } from './format.ts'
import { activationSection } from './html/activations.ts'
import { analysisSection } from './html/analysis.ts'
import { blockTable } from './html/blocks.ts'
import { compressionSection } from './html/compression.ts'
import { depthFigure } from './html/depth.ts'
import { inputChannelSection } from './html/input-channels.ts'
import { layerSection } from './html/layers.ts'
import { placementFigure } from './html/placement.ts'
import { contentPolicy } from './html/policy.ts'
import { notesSection, repeatSection } from './html/repeat.ts'
import { pageScript } from './html/script.ts'
import { shiftFigure } from './html/shift.ts'
import { stepSection } from './html/steps.ts'
import { pageStyle } from './html/style.ts'
import { techniquesSection } from './html/techniques.ts'
import { trainingSection } from './html/training.ts'
import { variantSection } from './html/variants.ts'
import { verdictSection } from './html/verdict.ts'
import { weightSection } from './html/weights.ts'
import { type Markup, markup, raw } from './markup.ts'
import { measuredOnly } from './measured-only.ts'
import type { Report } from './report.ts'

interface Section {
  readonly id: string
  readonly title: string
  readonly content: Markup | undefined
}

/** Renders a report as an HTML document that loads nothing, works without JavaScript, and prints. */
export function renderHtml(given: Report): string {
  const report = measuredOnly(given)
  const sections: readonly Section[] = [
    { id: 'analysis', title: 'Which layer loses it, and why', content: analysisSection(report) },
    { id: 'measured', title: 'What was measured', content: variantSection(report) },
    { id: 'training', title: 'Training', content: trainingSection(report) },
    { id: 'techniques', title: 'Techniques: what was tried', content: techniquesSection(report) },
    {
      id: 'depth',
      title: 'Layer by layer',
      content: together(depthFigure(report), blockTable(report), shiftFigure(report), placementFigure(report)),
    },
    { id: 'compression', title: 'What was compressed', content: compressionSection(report) },
    { id: 'layers', title: 'All layers', content: layerSection(report) },
    { id: 'inputs', title: 'Channels that layers read', content: inputChannelSection(report) },
    { id: 'weights', title: 'Weight ranges', content: weightSection(report) },
    { id: 'activations', title: 'Activation ranges', content: activationSection(report) },
    { id: 'steps', title: 'Steps and their proof', content: stepSection(report) },
    { id: 'notes', title: 'Notes', content: notesSection(report) },
    { id: 'repeat', title: 'Repeat this run', content: repeatSection(report) },
  ]
  const shown = sections.filter((section) => section.content !== undefined)
  const links = shown.map(({ id, title }) => markup`<a href="#${id}">${title}</a>`)
  const body = shown.map(({ id, title, content }) => markup`<section id="${id}"><h2>${title}</h2>${content}</section>`)
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8"/>
        <meta http-equiv="Content-Security-Policy" content="${contentPolicy}"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content="light dark"/>
        <meta name="generator" content="onnxpress"/>
        <title>${report.title} – onnxpress report</title>
        <style>${raw(pageStyle)}</style>
      </head>
      <body>
        <header class="top">
          <p class="brand">onnxpress <span>${report.command}</span></p>
          <p class="when">${formatDate(report.createdAt)}</p>
        </header>
        <main>
          ${verdictSection(report)}
          <nav aria-label="Sections">${links}</nav>
          ${body}
        </main>
        <script>${raw(pageScript)}</script>
      </body>
    </html>`
  return `${page.text}\n`
}

function together(...parts: readonly (Markup | undefined)[]): Markup | undefined {
  return parts.some((part) => part !== undefined) ? markup`${parts}` : undefined
}
