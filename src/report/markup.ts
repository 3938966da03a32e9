// HTML and SVG as tagged templates that escape whatever is put in, so that no name from a model can become markup.
import { plainText } from './format.ts'

/** Text that is markup already and is not escaped again. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

export type MarkupPart = Markup | string | number | undefined | false | readonly MarkupPart[]

/** Text safe between tags and inside quoted attributes. */
export function escapeMarkup(text: string): string {
  return plainText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

/**
 * A template whose values are escaped, except Markup; lists are joined, undefined and false leave nothing.
 * Line breaks of the template itself are dropped beside tags and become a space elsewhere, so it may span lines.
 */
export function markup(strings: TemplateStringsArray, ...parts: readonly MarkupPart[]): Markup {
  let text = joinLines(strings[0] ?? '')
  for (const [index, part] of parts.entries()) text += render(part) + joinLines(strings[index + 1] ?? '')
  return new Markup(text)
}

/** Marks a string as markup. Only for what this package rendered itself. */
export function raw(text: string): Markup {
  return new Markup(text)
}

function render(part: MarkupPart): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(render).join('')
  return typeof part === 'number' ? String(part) : escapeMarkup(part)
}

function joinLines(text: string): string {
  return text.replace(/(^|>)?\n\s*(<|$)?/g, (_, before: string | undefined, after: string | undefined) =>
    before === undefined && after === undefined ? ' ' : `${before ?? ''}${after ?? ''}`,
  )
}
