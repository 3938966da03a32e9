// What a reader sees of a piece of a page.
export type { Markup } from '../../src/report/markup.ts'

/** Text without tags and drawings, its spaces made one. */
export function plain(html: string): string {
  return html
    .replace(/<svg.*?<\/svg>/gs, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim()
}
