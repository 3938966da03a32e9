// Small parts that several sections of the page are made of.
import { type Markup, type MarkupPart, markup, raw } from '../markup.ts'

/** The sentence or two under a heading that say how to read what follows. */
export function lead(text: MarkupPart): Markup {
  return markup`<p class="lead">${text}</p>`
}

/** Labels with values, in columns where there is room. */
export function factList(facts: readonly { readonly label: string; readonly value: MarkupPart }[], kind = ''): Markup {
  const rows = facts.map(({ label, value }) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)
  return markup`<dl class="facts${kind !== '' && ` ${kind}`}">${rows}</dl>`
}

/** One of several small charts side by side. */
export function panel(title: MarkupPart, chart: string, below?: MarkupPart): Markup {
  return markup`<figure class="panel"><figcaption>${title}</figcaption>${raw(chart)}${below}</figure>`
}

/** A chart drawn twice: for wide pages, and for phones. */
export function twoSizes(draw: (size: 'wide' | 'narrow') => string): Markup {
  return markup`<div class="wide">${raw(draw('wide'))}</div><div class="narrow">${raw(draw('narrow'))}</div>`
}

/** A name that may be long: it wraps after slashes, dots, colons and underscores, but not into crumbs. */
export function longName(name: string): Markup {
  const parts = name.match(/.{9,}?[/.:_](?=.{4})|.+/gs) ?? []
  return markup`<code class="name">${parts.map((part, index) => [index > 0 && raw('<wbr/>'), part])}</code>`
}
