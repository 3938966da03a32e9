// Numbered badges beside points, placed so that they do not cover each other.
import { type Markup, markup } from '../markup.ts'
import { pixel } from './scale.ts'

export interface BadgeSpot {
  readonly x: number
  readonly y: number
  readonly text: string
}

const radius = 8.5
const offsets = [17, -17, 35, -35, 53, -53]

/** Draws a badge under each point, or above it, or further away, whichever is first free above `bottom`. */
export function drawBadges(spots: readonly BadgeSpot[], bottom: number): Markup {
  const placed: BadgeSpot[] = []
  for (const spot of spots) {
    const candidates = offsets.map((offset) => ({ ...spot, y: spot.y + offset }))
    const free = candidates.find((badge) => fits(badge, bottom) && !placed.some((other) => touches(badge, other)))
    placed.push(free ?? { ...spot, y: spot.y - 17 })
  }
  return markup`${placed.map(({ x, y, text }) => {
    return markup`<circle class="badge" cx="${pixel(x)}" cy="${pixel(y)}" r="${radius}"/>
      <text class="badge-text" x="${pixel(x)}" y="${pixel(y + 4)}">${text}</text>`
  })}`
}

function fits(badge: BadgeSpot, bottom: number): boolean {
  return badge.y - radius > 0 && badge.y + radius + 2 < bottom
}

function touches(a: BadgeSpot, b: BadgeSpot): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) < 2 * radius + 1
}
