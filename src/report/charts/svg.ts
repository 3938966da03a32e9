// The frame around every chart, and text that fits into it.
import { shortenMiddle } from '../format.ts'
import { type Markup, markup } from '../markup.ts'

export interface FrameOptions {
  readonly width: number
  readonly height: number
  /** What the chart shows, in a sentence, for those who cannot see it. */
  readonly label: string
}

/** An inline SVG of fixed proportions that shrinks with its container. */
export function frame(options: FrameOptions, content: Markup): string {
  const { width, height, label } = options
  return markup`
    <svg class="chart" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img"
      aria-label="${label}">
      ${content}
    </svg>`.text
}

/** Average width of a character at the charts' 12 px, in pixels. */
export const characterWidth = 6.6

/** A name shortened to about `width` pixels. */
export function fitText(text: string, width: number): string {
  return shortenMiddle(text, Math.max(3, Math.floor(width / characterWidth)))
}
