// The drawing of a graph on a canvas: drag and wheel to move and zoom, arrows to walk from box to box.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Box } from './collapse.ts'
import { draw, type View } from './draw.ts'
import { boxHeight, boxWidth, layOut } from './layout.ts'
import type { Shade } from './shade.ts'

export interface GraphViewProps {
  readonly boxes: readonly Box[]
  readonly shades: readonly Shade[]
  readonly selected: number | undefined
  readonly onSelect: (box: number | undefined) => void
  /** Opens or closes what stands for repeats. */
  readonly onOpen: (box: number) => void
  readonly label: string
}

const [closest, farthest] = [2.5, 0.02]

export function GraphView({ boxes, shades, selected, onSelect, onOpen, label }: GraphViewProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const view = useRef<View>({ x: 0, y: 0, zoom: 1 })
  const frame = useRef(0)
  const drag = useRef<{ x: number; y: number; moved: boolean } | undefined>(undefined)
  const layout = useMemo(() => layOut(boxes), [boxes])
  const [theme, setTheme] = useState(0)

  const paint = (): void => {
    cancelAnimationFrame(frame.current)
    frame.current = requestAnimationFrame(() => {
      if (canvas.current !== null) draw(canvas.current, { layout, boxes, shades, selected, view: view.current })
    })
  }
  const zoomAt = (factor: number, x: number, y: number): void => {
    const { zoom } = view.current
    const next = Math.min(closest, Math.max(farthest, zoom * factor))
    view.current = {
      zoom: next,
      x: x - ((x - view.current.x) / zoom) * next,
      y: y - ((y - view.current.y) / zoom) * next,
    }
    paint()
  }
  const fit = (whole: boolean): void => {
    const size = canvas.current?.getBoundingClientRect()
    if (size === undefined) return
    const wide = (size.width - 24) / layout.width
    const zoom = Math.min(1, whole ? Math.min(wide, (size.height - 24) / layout.height) : Math.max(wide, 0.35))
    view.current = {
      zoom,
      x: (size.width - layout.width * zoom) / 2,
      y: whole ? (size.height - layout.height * zoom) / 2 : 16,
    }
    paint()
  }
  /** Moves as little as brings a box into sight. */
  const reveal = (box: number): void => {
    const size = canvas.current?.getBoundingClientRect()
    const at = layout.boxes[box]
    if (size === undefined || at === undefined) return
    const { zoom } = view.current
    const into = (place: number, room: number, margin: number): number =>
      place < margin ? margin - place : place > room - margin ? room - margin - place : 0
    const [x, y] = [view.current.x + at.x * zoom, view.current.y + at.y * zoom]
    view.current = {
      zoom,
      x: view.current.x + into(x, size.width, Math.min(size.width / 2, (boxWidth * zoom) / 2 + 12)),
      y: view.current.y + into(y, size.height, Math.min(size.height / 2, boxHeight * zoom + 24)),
    }
  }

  useEffect(() => fit(false), [layout])
  useEffect(() => {
    if (selected !== undefined) reveal(selected)
    paint()
  }, [selected, shades, layout, theme])
  useEffect(() => {
    const element = canvas.current
    if (element === null) return
    const seen = new ResizeObserver(paint)
    seen.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const onTheme = (): void => setTheme((count) => count + 1)
    dark.addEventListener('change', onTheme)
    // Wheel listeners of the framework are passive; this one keeps the page still.
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault()
      if (event.ctrlKey || event.metaKey || event.altKey || !event.shiftKey)
        zoomAt(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY)
      else {
        view.current = { ...view.current, x: view.current.x - event.deltaX, y: view.current.y - event.deltaY }
        paint()
      }
    }
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => {
      seen.disconnect()
      dark.removeEventListener('change', onTheme)
      element.removeEventListener('wheel', onWheel)
    }
  }, [layout, boxes, shades, selected])

  const boxAt = (x: number, y: number): number | undefined => {
    const { zoom } = view.current
    const [px, py] = [(x - view.current.x) / zoom, (y - view.current.y) / zoom]
    const found = layout.boxes.findIndex(
      (at) => Math.abs(at.x - px) <= boxWidth / 2 && Math.abs(at.y - py) <= boxHeight / 2,
    )
    return found < 0 ? undefined : found
  }
  const walk = (key: string): number | undefined => {
    if (selected === undefined) return 0
    const { from = [] } = boxes[selected] ?? {}
    if (key === 'ArrowUp') return from[0] ?? selected
    if (key === 'ArrowDown') return boxes.findIndex((box) => box.from.includes(selected))
    const here = layout.boxes[selected]
    const row = layout.boxes
      .flatMap((at, box) => (at.y === here?.y ? [box] : []))
      .sort((a, b) => (layout.boxes[a]?.x ?? 0) - (layout.boxes[b]?.x ?? 0))
    return row[row.indexOf(selected) + (key === 'ArrowRight' ? 1 : -1)] ?? selected
  }
  const onKey = (event: KeyboardEvent): void => {
    const size = canvas.current?.getBoundingClientRect()
    if (size === undefined || event.ctrlKey || event.metaKey) return
    if (event.key.startsWith('Arrow')) {
      const next = walk(event.key)
      if (next !== undefined && next >= 0) onSelect(next)
    } else if (event.key === '+' || event.key === '=') zoomAt(1.25, size.width / 2, size.height / 2)
    else if (event.key === '-') zoomAt(0.8, size.width / 2, size.height / 2)
    else if (event.key === '0') fit(true)
    else if (event.key === '1') fit(false)
    else if (event.key === 'Enter' && selected !== undefined) onOpen(selected)
    else return
    event.preventDefault()
  }
  return (
    <div class="graph">
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it handles its own keys, and says which */}
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={label}
        aria-describedby="graph-keys"
        onKeyDown={onKey}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId)
          drag.current = { x: event.clientX, y: event.clientY, moved: false }
        }}
        onPointerMove={(event) => {
          const dragged = drag.current
          if (dragged === undefined) return
          const [dx, dy] = [event.clientX - dragged.x, event.clientY - dragged.y]
          if (!dragged.moved && Math.hypot(dx, dy) < 4) return
          drag.current = { x: event.clientX, y: event.clientY, moved: true }
          view.current = { ...view.current, x: view.current.x + dx, y: view.current.y + dy }
          paint()
        }}
        onPointerUp={(event) => {
          if (drag.current?.moved === false) onSelect(boxAt(event.offsetX, event.offsetY))
          drag.current = undefined
        }}
        onDblClick={(event) => {
          const box = boxAt(event.offsetX, event.offsetY)
          if (box !== undefined) onOpen(box)
        }}
      />
      <p class="zoom">
        <button
          type="button"
          aria-label="Zoom in"
          onClick={() => zoomAt(1.3, (canvas.current?.clientWidth ?? 0) / 2, 100)}
        >
          +
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          onClick={() => zoomAt(0.77, (canvas.current?.clientWidth ?? 0) / 2, 100)}
        >
          −
        </button>
        <button type="button" onClick={() => fit(true)}>
          Whole
        </button>
      </p>
      <p id="graph-keys" class="hidden">
        Arrow keys walk from box to box, plus and minus zoom, 0 shows the whole graph, Enter opens repeated blocks. All
        layers are in the table below as well.
      </p>
    </div>
  )
}
