// Rotary embeddings (arXiv 2104.09864): pairs of numbers of a head turned by an angle that grows with the place.
import { intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { CONTRIBUTED, type Expansion, type Expansions } from './fused.ts'
import { fromHeads, toHeads } from './heads.ts'

export interface Turning {
  /** Rows of cosines and sines, [batch or 1, length, half of what is turned]. */
  readonly cos: string
  readonly sin: string
  /** Are the numbers of a pair neighbours, or half a head apart? */
  readonly interleaved: boolean
}

/** Turns the first numbers of each head of x [batch, heads, length, width], as many as the tables have; the rest stays. */
export function rotate(g: Emitter, x: string, { cos, sin, interleaved }: Turning): string {
  const [batch = 1, heads = 1, length = 1, width = 1] = g.dims(x)
  const half = g.dims(cos).at(-1) ?? 1
  const table = (rows: string) => g.reshape(rows, [g.size(rows) / (length * half), 1, length, half])
  const [c, s] = [table(cos), table(sin)]
  const part = (from: number, to: number, step = 1) => g.slice(x, [3], { starts: [from], ends: [to], steps: [step] })
  const first = interleaved ? part(0, 2 * half, 2) : part(0, half)
  const second = interleaved ? part(1, 2 * half, 2) : part(half, 2 * half)
  const turned = [g.minus(g.times(first, c), g.times(second, s)), g.plus(g.times(first, s), g.times(second, c))]
  const apart = [batch, heads, length, half, 1]
  const joined = interleaved
    ? g.reshape(
        g.concat(
          turned.map((value) => g.reshape(value, apart)),
          4,
        ),
        [batch, heads, length, 2 * half],
      )
    : g.concat(turned, 3)
  return 2 * half === width ? joined : g.concat([joined, part(2 * half, width)], 3)
}

/** Rows of a table at places: [1] is where the first of `length` stands, [batch, length] are all. */
function rowsAt(g: Emitter, table: string, places: string, length: number): string {
  const half = g.dims(table).at(-1) ?? 1
  const known = g.known(places)
  const counted = g.ints(Array.from({ length }, (_, i) => i))
  const all =
    known.dims.length < 2 && length > 1
      ? g.typed(g.add('Add', [g.reshape(places, [1]), counted], [length]), 'int64')
      : places
  return g.add('Gather', [table, all], [...g.dims(all), half])
}

/** The first rows of a table, for a sequence from its beginning. */
export function firstRows(g: Emitter, table: string, length: number): string {
  return g.slice(table, [0], { starts: [0], ends: [length] })
}

/** `places` of the two forms: com.microsoft's second input, ONNX's fourth, which may be missing. */
const rotary =
  ([cosAt, sinAt, placesAt]: readonly [number, number, number]): Expansion =>
  (g, { node, input }) => {
    const [x = '', cos = '', sin = ''] = [0, cosAt, sinAt].map((index) => input(index) ?? '')
    const places = input(placesAt)
    if (intAttribute(node, 'is_packed_batching', 0) === 1) return { because: 'its batches are packed' }
    const dims = g.dims(x)
    const half = g.dims(cos).at(-1) ?? 1
    const given = intAttribute(node, 'num_heads', 0)
    const heads = given > 0 ? given : (dims.at(-1) ?? 1) / (2 * half)
    const split = dims.length === 3 ? toHeads(g, x, heads) : x
    const length = g.dims(split)[2] ?? 1
    const rows = (table: string) => (places === undefined ? table : rowsAt(g, table, places, length))
    const turned = rotate(g, split, {
      cos: rows(cos),
      sin: rows(sin),
      interleaved: intAttribute(node, 'interleaved', 0) === 1,
    })
    return [dims.length === 3 ? fromHeads(g, turned) : turned]
  }

export const rotaryExpansions: Expansions = {
  [`${CONTRIBUTED}:RotaryEmbedding`]: rotary([2, 3, 1]),
  ':RotaryEmbedding': rotary([1, 2, 3]),
}
