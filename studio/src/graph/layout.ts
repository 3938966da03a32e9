// Where boxes stand: rows by their distance from the input, order within a row by their neighbours, straight where possible.
import type { Box } from './collapse.ts'

export interface Placed {
  readonly x: number
  readonly y: number
}

export interface Layout {
  /** Centre of each box. */
  readonly boxes: readonly Placed[]
  /** Points of each edge, from feeder to reader, in the order of `edges`. */
  readonly edges: readonly { readonly from: number; readonly to: number; readonly points: readonly Placed[] }[]
  readonly width: number
  readonly height: number
}

export const boxWidth = 190
export const boxHeight = 36
const columnGap = 24
const rowGap = 34

/** Boxes and bends together, at most. */
const mostItems = 20_000

/** An item of a row: a box, or the bend of an edge that passes by. */
interface Item {
  readonly box?: number
  readonly row: number
  readonly above: number[]
  readonly below: number[]
  x: number
  width: number
}

/** Places the boxes; each comes after those that feed it. */
export function layOut(boxes: readonly Pick<Box, 'from'>[]): Layout {
  const rowOf = rowsOf(boxes)
  const items: Item[] = boxes.map((_, box) => ({
    box,
    row: rowOf[box] ?? 0,
    above: [],
    below: [],
    x: 0,
    width: boxWidth,
  }))
  const paths = boxes.flatMap(({ from }, to) =>
    from.map((feeder) => ({ from: feeder, to, items: bend(items, feeder, to) })),
  )
  const rows: number[][] = []
  for (const [index, { row }] of items.entries()) {
    rows[row] ??= []
    rows[row]?.push(index)
  }
  arrange(items, rows)
  straighten(items, rows)
  const left = items.reduce((least, { x, width }) => Math.min(least, x - width / 2), 0)
  const place = ({ x, row }: Item): Placed => ({ x: x - left, y: row * (boxHeight + rowGap) + boxHeight / 2 })
  return {
    boxes: items.slice(0, boxes.length).map(place),
    edges: paths.map(({ from, to, items: path }) => ({
      from,
      to,
      points: path.flatMap((index) => items[index] ?? []).map(place),
    })),
    width: items.reduce((most, { x, width }) => Math.max(most, x - left + width / 2), boxWidth),
    height: Math.max(1, rows.length) * (boxHeight + rowGap) - rowGap,
  }
}

/** Longest way from an input; feeders come before their readers. */
function rowsOf(boxes: readonly Pick<Box, 'from'>[]): number[] {
  const rows: number[] = []
  for (const { from } of boxes) rows.push(from.reduce((row, feeder) => Math.max(row, (rows[feeder] ?? -1) + 1), 0))
  return rows
}

/** Joins two items through a bend in every row between them; gives the items on the way. */
function bend(items: Item[], from: number, to: number): number[] {
  const path = [from]
  const [first, last] = [items[from]?.row ?? 0, items[to]?.row ?? 0]
  // A graph that needs more bends than this is drawn with straight lines across its boxes.
  if (items.length < mostItems)
    for (let row = first + 1; row < last; row++) {
      path.push(items.length)
      items.push({ row, above: [], below: [], x: 0, width: 14 })
    }
  path.push(to)
  for (const [index, item] of path.entries()) {
    const next = path[index + 1]
    if (next === undefined) break
    items[item]?.below.push(next)
    items[next]?.above.push(item)
  }
  return path
}

/** Orders each row by the mean place of its neighbours, down and up a few times. */
function arrange(items: readonly Item[], rows: readonly number[][]): void {
  const order = new Array<number>(items.length).fill(0)
  const number = (row: readonly number[]): void => {
    for (const [place, item] of row.entries()) order[item] = place
  }
  for (const row of rows) number(row)
  const mean = (neighbours: readonly number[], fallback: number): number =>
    neighbours.length === 0
      ? fallback
      : neighbours.reduce((sum, item) => sum + (order[item] ?? 0), 0) / neighbours.length
  for (let sweep = 0; sweep < 6; sweep++) {
    const down = sweep % 2 === 0
    for (const row of down ? rows : [...rows].reverse()) {
      const keys = new Map(
        row.map((item) => [item, mean((down ? items[item]?.above : items[item]?.below) ?? [], order[item] ?? 0)]),
      )
      row.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0))
      number(row)
    }
  }
}

/** Moves items towards their neighbours, keeping order and distance. */
function straighten(items: readonly Item[], rows: readonly number[][]): void {
  for (const row of rows) {
    let x = 0
    for (const index of row) {
      const item = items[index]
      if (item === undefined) continue
      item.x = x + item.width / 2
      x += item.width + columnGap
    }
    for (const index of row) {
      const item = items[index]
      if (item !== undefined) item.x -= (x - columnGap) / 2
    }
  }
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0
    for (const row of down ? rows : [...rows].reverse()) {
      const wanted = row.map((index) => {
        const item = items[index]
        const near = (down ? item?.above : item?.below) ?? []
        if (item === undefined || near.length === 0) return item?.x ?? 0
        return near.reduce((sum, other) => sum + (items[other]?.x ?? 0), 0) / near.length
      })
      spread(row, wanted, items)
    }
  }
}

/** Gives a row the wanted places as far as its items do not overlap: once from the left, once from the right, the middle. */
function spread(row: readonly number[], wanted: readonly number[], items: readonly Item[]): void {
  const gap = (a: number, b: number): number => ((items[a]?.width ?? 0) + (items[b]?.width ?? 0)) / 2 + columnGap
  const left = [...wanted]
  const right = [...wanted]
  for (let i = 1; i < row.length; i++)
    left[i] = Math.max(left[i] ?? 0, (left[i - 1] ?? 0) + gap(row[i - 1] ?? 0, row[i] ?? 0))
  for (let i = row.length - 2; i >= 0; i--)
    right[i] = Math.min(right[i] ?? 0, (right[i + 1] ?? 0) - gap(row[i] ?? 0, row[i + 1] ?? 0))
  for (const [i, index] of row.entries()) {
    const item = items[index]
    if (item !== undefined) item.x = ((left[i] ?? 0) + (right[i] ?? 0)) / 2
  }
}
