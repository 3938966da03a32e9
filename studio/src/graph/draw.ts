// Painting the visible part of a graph. Far away, words are left out: they could not be read.
import type { Box } from './collapse.ts'
import { boxHeight, boxWidth, type Layout } from './layout.ts'
import type { Shade } from './shade.ts'

export interface View {
  /** Where the drawing's corner is, in pixels of the page. */
  readonly x: number
  readonly y: number
  readonly zoom: number
}

export interface Scene {
  readonly layout: Layout
  readonly boxes: readonly Box[]
  readonly shades: readonly Shade[]
  readonly selected: number | undefined
  readonly view: View
}

interface Colours {
  readonly paper: string
  readonly ink: string
  readonly muted: string
  readonly line: string
  readonly faint: string
  readonly accent: string
  readonly base: string
}

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element)
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  const { paper, ink, muted, line, faint, accent, base } = Object.fromEntries(
    ['paper', 'ink', 'muted', 'line', 'faint', 'accent', 'base'].map((name) => [name, read(name)]),
  )
  return { paper, ink, muted, line, faint, accent, base } as Colours
}

/** Draws what can be seen. */
export function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const context = canvas.getContext('2d')
  if (context === null) return
  const { clientWidth: width, clientHeight: height } = canvas
  const scale = devicePixelRatio || 1
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
  }
  const { x, y, zoom } = scene.view
  const colours = coloursOf(canvas)
  context.setTransform(scale, 0, 0, scale, 0, 0)
  context.clearRect(0, 0, width, height)
  context.setTransform(scale * zoom, 0, 0, scale * zoom, scale * x, scale * y)
  const sight = { left: -x / zoom, right: (width - x) / zoom, top: -y / zoom, bottom: (height - y) / zoom }
  drawEdges(context, scene, sight, colours)
  drawBoxes(context, scene, sight, colours)
}

interface Sight {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

function drawEdges(context: CanvasRenderingContext2D, { layout, view }: Scene, sight: Sight, colours: Colours): void {
  context.beginPath()
  for (const { points } of layout.edges) {
    const [first, last] = [points[0], points.at(-1)]
    if (first === undefined || last === undefined || last.y < sight.top || first.y > sight.bottom) continue
    context.moveTo(first.x, first.y + boxHeight / 2)
    for (let index = 1; index < points.length; index++) {
      const [a, b] = [points[index - 1], points[index]]
      if (a === undefined || b === undefined) continue
      const [from, to] = [a.y + boxHeight / 2, b.y - boxHeight / 2]
      const middle = (from + to) / 2
      if (index > 1) context.lineTo(a.x, from)
      context.bezierCurveTo(a.x, middle, b.x, middle, b.x, to)
    }
  }
  context.strokeStyle = colours.base
  context.lineWidth = Math.max(1.2, 0.7 / view.zoom)
  context.stroke()
}

function drawBoxes(context: CanvasRenderingContext2D, scene: Scene, sight: Sight, colours: Colours): void {
  const { layout, boxes, shades, selected, view } = scene
  const words = view.zoom > 0.35
  context.textBaseline = 'middle'
  for (const [index, at] of layout.boxes.entries()) {
    if (at.y + boxHeight < sight.top || at.y - boxHeight > sight.bottom) continue
    if (at.x + boxWidth < sight.left || at.x - boxWidth > sight.right) continue
    const box = boxes[index]
    const { strength, text = '' } = shades[index] ?? {}
    const [left, top] = [at.x - boxWidth / 2, at.y - boxHeight / 2]
    if (box?.repeats) {
      // A second sheet behind says that there is more inside.
      path(context, left + 4, top + 4)
      context.fillStyle = colours.faint
      context.fill()
      context.strokeStyle = colours.base
      context.lineWidth = 1
      context.stroke()
    }
    path(context, left, top)
    context.fillStyle = (box?.layers.length ?? 0) > 0 || box?.repeats ? colours.paper : colours.faint
    context.fill()
    if (strength !== undefined) {
      context.globalAlpha = 0.12 + 0.5 * strength
      context.fillStyle = colours.accent
      context.fill()
      context.globalAlpha = 1
    }
    context.strokeStyle =
      index === selected ? colours.accent : (box?.layers.length ?? 0) > 0 ? colours.muted : colours.line
    context.lineWidth = index === selected ? Math.max(3, 2 / view.zoom) : 1
    context.stroke()
    if (!words || box === undefined) continue
    context.fillStyle = colours.ink
    context.font = '600 12px system-ui, sans-serif'
    const room = boxWidth - 16 - (text === '' ? 0 : context.measureText(text).width + 8)
    context.textAlign = 'left'
    context.fillText(fit(context, box.title, room), left + 8, at.y + 0.5)
    context.textAlign = 'right'
    context.font = '12px system-ui, sans-serif'
    context.fillText(text, left + boxWidth - 8, at.y + 0.5)
  }
}

function path(context: CanvasRenderingContext2D, left: number, top: number): void {
  context.beginPath()
  context.roundRect(left, top, boxWidth, boxHeight, 6)
}

/** A text cut to a width. */
function fit(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text
  let [low, high] = [0, text.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle
    else high = middle - 1
  }
  return `${text.slice(0, low)}…`
}
