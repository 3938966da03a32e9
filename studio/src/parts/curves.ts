// Curves of a run from its events: every number that an event carries beside its place, whatever it is called.
import type { ProgressEvent } from '../types.ts'

/** Fields of an event that say where it stands, and are not figures. */
const places = new Set(['step', 'done', 'total', 'message', 'at'])

/** Points that a curve shows at most: more than a screen has columns say nothing more. */
const most = 600

/** Figures in the words of an event, where no field holds them. */
const inWords = /\b(loss|accuracy|error|top1|lr)[ :=]+(-?\d+(?:\.\d+)?(?:e-?\d+)?)/g

export interface Point {
  /** Which event of the curve this is, from 1. */
  readonly index: number
  readonly value: number
}

/** Name → its values in order; a curve of many events is thinned evenly, and keeps its last. */
export function curvesOf(events: readonly ProgressEvent[]): Map<string, readonly Point[]> {
  const curves = new Map<string, Point[]>()
  for (const event of events) {
    const figures = new Map<string, number>()
    for (const [, name = '', value] of (event.message ?? '').matchAll(inWords)) figures.set(name, Number(value))
    for (const [name, value] of Object.entries(event))
      if (!places.has(name) && typeof value === 'number') figures.set(name, value)
    for (const [name, value] of figures) {
      if (!Number.isFinite(value)) continue
      const points = curves.get(name) ?? []
      points.push({ index: points.length + 1, value })
      curves.set(name, points)
    }
  }
  return new Map([...curves].map(([name, points]) => [name, thinned(points)]))
}

function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= most) return points
  const step = (points.length - 1) / (most - 1)
  return Array.from({ length: most }, (_, i) => points[Math.round(i * step)]).filter((point) => point !== undefined)
}
