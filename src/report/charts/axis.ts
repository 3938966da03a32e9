// Axes with ticks, grid lines and a unit.
import { formatNumber } from '../format.ts'
import { type Markup, markup } from '../markup.ts'
import { pixel, type Scale } from './scale.ts'

export interface AxisOptions {
  /** What is measured, with its unit: "SQNR (dB)". */
  readonly label: string
  readonly format?: (value: number) => string
  /** Height of a y axis' label; just above the axis by default. */
  readonly labelY?: number
}

/** An x axis at height `y`, grid lines up to `top`. */
export function horizontalAxis(scale: Scale, y: number, top: number, options: AxisOptions): Markup {
  const format = options.format ?? formatNumber
  const [from, to] = scale.range
  const ticks = scale.ticks.map((tick) => {
    const x = pixel(scale.at(tick))
    return markup`<path class="grid" d="M${x} ${pixel(top)}V${pixel(y)}"/>
      <text class="quiet mid" x="${x}" y="${pixel(y + 16)}">${format(tick)}</text>`
  })
  return markup`${ticks}<path class="axis" d="M${pixel(from)} ${pixel(y)}H${pixel(to)}"/>
    <text class="quiet end" x="${pixel(Math.max(from, to))}" y="${pixel(y + 33)}">${options.label}</text>`
}

/** A y axis at `x`, grid lines across to `right`; its label stands above it. */
export function verticalAxis(scale: Scale, x: number, right: number, options: AxisOptions): Markup {
  const format = options.format ?? formatNumber
  const labelY = options.labelY ?? Math.min(...scale.range) - 12
  const ticks = scale.ticks.map((tick) => {
    const y = scale.at(tick)
    return markup`<path class="grid" d="M${pixel(x)} ${pixel(y)}H${pixel(right)}"/>
      <text class="quiet end" x="${pixel(x - 7)}" y="${pixel(y + 4)}">${format(tick)}</text>`
  })
  return markup`${ticks}<text class="quiet" x="0" y="${pixel(labelY)}">${options.label}</text>`
}

/** Numbers worth a tick for `count` items numbered from 1: 1, 10, 20 …, the last one. */
export function indexTicks(count: number, most: number): number[] {
  const step = indexStep(count, most)
  const ticks = step < 5 ? [] : [1]
  for (let tick = step; tick <= count - step * 0.6; tick += step) ticks.push(tick)
  if (count >= 1) ticks.push(count)
  return ticks
}

/** Round steps for at most about `most` ticks over `count` items. */
export function indexStep(count: number, most: number): number {
  return [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => count / size <= most) ?? count
}
