// Assumptions, the machine, and how to do the run again.
import { type Markup, markup } from '../markup.ts'
import type { Report } from '../report.ts'
import { factList, lead } from './parts.ts'

/** Assumptions and warnings; undefined without any. */
export function notesSection(report: Report): Markup | undefined {
  if (report.notes.length === 0) return undefined
  return markup`<ul class="notes">${report.notes.map((note) => markup`<li>${note}</li>`)}</ul>`
}

/** Command line, recipe, environment and files. */
export function repeatSection(report: Report): Markup {
  const { commandLine, environment, files = [] } = report
  const recipe = JSON.stringify(report.recipe ?? null, undefined, 2)
  const machine = Object.entries(environment).map(([label, value]) => ({ label, value }))
  const paths = files.map(({ label, path }) => ({ label, value: markup`<code>${path}</code>` }))
  return markup`
    ${commandLine !== undefined && markup`<h3>Command</h3>${copyable(commandLine)}`}
    <h3>Recipe</h3>
    ${lead(markup`Saved as a file, <code>onnxpress run</code> repeats the run to the same bytes.`)}
    ${copyable(recipe)}
    ${paths.length > 0 && markup`<h3>Files</h3>${factList(paths, 'files')}`}
    ${machine.length > 0 && markup`<h3>Measured on</h3>${factList(machine)}`}`
}

function copyable(text: string): Markup {
  return markup`<pre class="copy"><code>${text}</code></pre>`
}
