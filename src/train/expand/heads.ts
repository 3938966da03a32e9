// Attention in primitive operators: heads apart, scores, softmax, weighted values, heads together.
import { intAttr } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'

/** [batch, length, heads·width] → [batch, heads, length, width]. */
export function toHeads(g: Emitter, x: string, heads: number): string {
  const [batch = 1, length = 1, all = 1] = g.dims(x)
  return g.transpose(g.reshape(x, [batch, length, heads, all / heads]), [0, 2, 1, 3])
}

/** [batch, heads, length, width] → [batch, length, heads·width]. */
export function fromHeads(g: Emitter, x: string): string {
  const [batch = 1, heads = 1, length = 1, width = 1] = g.dims(x)
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [batch, length, heads * width])
}

export interface Attended {
  /** Queries [batch, heads, length, width]. */
  readonly q: string
  /** Keys and values [batch, key heads, key length, width]; each is read by as many heads of queries. */
  readonly k: string
  readonly v: string
  readonly scale: number
  /** Added to the scores; broadcast to [batch, heads, length, key length]. */
  readonly bias?: readonly string[]
  /** Each place sees those up to itself; of them at most so many where there is a window. */
  readonly causal?: boolean
  readonly window?: number
  /** Scores are c·tanh(score/c). */
  readonly softcap?: number
}

/** Scores of places that are not seen: the softmax is 0 there. */
const UNSEEN = -1e9

/** softmax(q·kᵀ·scale + bias)·v, [batch, heads, length, width of values]. */
export function attend(g: Emitter, { q, k, v, scale, bias = [], causal, window, softcap = 0 }: Attended): string {
  const heads = g.dims(q)[1] ?? 1
  const [keys, values] = [repeated(g, k, heads), repeated(g, v, heads)]
  const product = g.scaled(g.matMul(q, g.transpose(keys, [0, 1, 3, 2])), scale)
  const scores = softcap > 0 ? g.scaled(g.unary('Tanh', g.scaled(product, 1 / softcap)), softcap) : product
  const [length = 1, seen = 1] = g.dims(scores).slice(2)
  const masks = causal
    ? [...bias, g.once(`causal ${length} ${seen} ${window}`, () => mask(g, length, seen, window))]
    : bias
  const masked = masks.reduce((sum, each) => g.plus(sum, each), scores)
  return g.matMul(g.unary('Softmax', masked, { axis: intAttr(-1) }), values)
}

/** Heads of keys or values, each as often as heads of queries read it. */
function repeated(g: Emitter, x: string, heads: number): string {
  const [batch = 1, own = 1, length = 1, width = 1] = g.dims(x)
  if (own === heads) return x
  const apart = g.reshape(x, [batch, own, 1, length, width])
  return g.reshape(g.expand(apart, [batch, own, heads / own, length, width]), [batch, heads, length, width])
}

function mask(g: Emitter, length: number, seen: number, window = Number.POSITIVE_INFINITY): string {
  const data = Float32Array.from({ length: length * seen }, (_, i) => {
    const ahead = (i % seen) - Math.floor(i / seen) - (seen - length)
    return ahead > 0 || ahead <= -window ? UNSEEN : 0
  })
  return g.floats([length, seen], data)
}
