// The fused attentions, each brought to heads of queries, keys and values.
import { floatAttribute, intAttr, intAttribute, intsAttribute, type Node } from '../../onnx/index.ts'
import { type Emitter, FLOAT } from '../graph/emitter.ts'
import { CONTRIBUTED, type Expansion, type Expansions, type FusedSite } from './fused.ts'
import { attend, fromHeads, toHeads } from './heads.ts'
import { firstRows, rotate } from './rotary.ts'

/** A value that is there and not empty. */
function filled(g: Emitter, name: string | undefined): boolean {
  return name !== undefined && g.size(name) > 0
}

const PAST = 'it continues from keys and values of the past'

/** The default where the attribute is 0 or absent: 1/√width. */
function scaleOf(node: Node, width: number): number {
  return floatAttribute(node, 'scale', 0) || 1 / Math.sqrt(width)
}

/** 0 where a mask of ones and zeros is not 0, `low` elsewhere, in the given sizes. */
function penalty(g: Emitter, mask: string, dims: readonly number[], low: number): string {
  const ones = g.add('Cast', [mask], g.dims(mask), { to: intAttr(FLOAT) })
  const holds = g.mask('Greater', ones, g.scalar(0))
  return g.reshape(g.scaled(g.minus(g.scalar(1), holds), low), dims)
}

/** The mask of keys in one of its forms: one number a key, one a pair, or how many keys of each sample count. */
function keyMask(
  g: Emitter,
  mask: string,
  [batch = 1, length = 1, seen = 1]: number[],
  low: number,
): string | undefined {
  const dims = g.dims(mask)
  if (dims.join() === [batch, seen].join()) return penalty(g, mask, [batch, 1, 1, seen], low)
  if (dims.join() === [batch, length, seen].join()) return penalty(g, mask, [batch, 1, length, seen], low)
  if (dims.join() !== String(batch)) return undefined
  const places = g.floats(
    [1, seen],
    Float32Array.from({ length: seen }, (_, i) => i),
  )
  const counts = g.reshape(g.add('Cast', [mask], dims, { to: intAttr(FLOAT) }), [batch, 1])
  const inside = g.mask('Less', places, counts)
  return g.reshape(g.scaled(g.minus(g.scalar(1), inside), low), [batch, 1, 1, seen])
}

/** com.microsoft's Attention: one weight makes queries, keys and values. Its product keeps the node's name. */
const packed: Expansion = (g, { node, input }) => {
  const [x = '', weight = '', bias, mask, past, added] = [0, 1, 2, 3, 4, 5].map(input)
  if (filled(g, past)) return { because: PAST }
  if (intAttribute(node, 'do_rotary', 0) === 1) return { because: 'it turns its queries by tables of its own' }
  const [batch = 1, length = 1] = g.dims(x)
  const outputs = g.dims(weight)[1] ?? 0
  const sizes = intsAttribute(node, 'qkv_hidden_sizes') ?? [outputs / 3, outputs / 3, outputs / 3]
  const heads = intAttribute(node, 'num_heads', 1)
  const low = floatAttribute(node, 'mask_filter_value', -10000)
  const masked = mask !== undefined ? keyMask(g, mask, [batch, length, length], low) : undefined
  if (mask !== undefined && masked === undefined) return { because: `its mask is [${g.dims(mask)}]` }
  const product = g.declare(g.editor.freshName(`${node.outputs[0]}/qkv`), [batch, length, outputs])
  g.editor.replaceNode(node, { opType: 'MatMul', inputs: [x, weight], outputs: [product] })
  const all = bias === undefined ? product : g.plus(product, bias)
  const [q = '', k = '', v = ''] = slices(g, all, sizes).map((part) => toHeads(g, part, heads))
  const scale = scaleOf(node, (sizes[0] ?? 1) / heads)
  const causal = intAttribute(node, 'unidirectional', 0) === 1
  return [fromHeads(g, attend(g, { q, k, v, scale, causal, bias: [masked, added].flatMap((each) => each ?? []) }))]
}

/** Parts of the last axis. */
function slices(g: Emitter, x: string, sizes: readonly number[]): string[] {
  let end = 0
  return sizes.map((size) => {
    const from = end
    end += size
    return g.slice(x, [g.dims(x).length - 1], { starts: [from], ends: [end] })
  })
}

/** MultiHeadAttention: queries, keys and values were made apart; a bias for all three may come with it. */
const multiHead: Expansion = (g, { node, input }) => {
  const [query = '', key, value, bias, mask, added, past] = [0, 1, 2, 3, 4, 5, 6].map(input)
  if (filled(g, past)) return { because: PAST }
  if (key === undefined || value === undefined || g.dims(query).length !== 3)
    return { because: 'its queries, keys and values are packed' }
  const heads = intAttribute(node, 'num_heads', 1)
  const width = g.dims(query)[2] ?? 1
  const widths = [
    width,
    width,
    g.dims(value).length === 3 ? (g.dims(value)[2] ?? 1) : (g.dims(bias ?? value).at(-1) ?? 1),
  ]
  const biases = bias === undefined ? [] : slices(g, bias, widths)
  const split = [query, key, value].map((each, i) => {
    if (g.dims(each).length === 4) return each
    return toHeads(g, biases[i] === undefined ? each : g.plus(each, biases[i]), heads)
  })
  const [q = '', k = '', v = ''] = split
  const [batch = 1, , length = 1] = g.dims(q)
  const low = floatAttribute(node, 'mask_filter_value', -10000)
  const masked = mask === undefined ? undefined : keyMask(g, mask, [batch, length, g.dims(k)[2] ?? 1], low)
  if (mask !== undefined && masked === undefined) return { because: `its mask is [${g.dims(mask)}]` }
  const causal = intAttribute(node, 'unidirectional', 0) === 1
  const scale = scaleOf(node, width / heads)
  const y = attend(g, { q, k, v, scale, causal, bias: [masked, added].flatMap((each) => each ?? []) })
  return [fromHeads(g, y), k, v]
}

/** GroupQueryAttention of a whole sequence: several heads of queries read one of keys; rotary embeddings inside. */
const groupQuery: Expansion = (g, { node, input }) => {
  const [query = '', key, value, pastKey, pastValue, , , cos, sin, places, added, sink] = Array.from(
    { length: 12 },
    (_, i) => input(i),
  )
  if (filled(g, pastKey) || filled(g, pastValue)) return { because: PAST }
  if (places !== undefined || sink !== undefined) return { because: 'it has places or sinks of its own' }
  const [heads, own] = [intAttribute(node, 'num_heads', 1), intAttribute(node, 'kv_num_heads', 1)]
  const width = (g.dims(query)[2] ?? 1) / (key === undefined ? heads + 2 * own : heads)
  const parts =
    key === undefined ? slices(g, query, [heads * width, own * width, own * width]) : [query, key, value ?? '']
  const [q = '', k = '', v = ''] = parts.map((part, i) => toHeads(g, part, i === 0 ? heads : own))
  const length = g.dims(q)[2] ?? 1
  const turn = (x: string): string => {
    if (intAttribute(node, 'do_rotary', 0) !== 1 || cos === undefined || sin === undefined) return x
    const interleaved = intAttribute(node, 'rotary_interleaved', 0) === 1
    return rotate(g, x, { cos: firstRows(g, cos, length), sin: firstRows(g, sin, length), interleaved })
  }
  const [turned, keys] = [turn(q), turn(k)]
  const window = intAttribute(node, 'local_window_size', -1)
  const y = attend(g, {
    ...{ q: turned, k: keys, v, scale: scaleOf(node, width), causal: true },
    softcap: floatAttribute(node, 'softcap', 0),
    bias: added === undefined ? [] : [added],
    ...(window > 0 ? { window } : {}),
  })
  return [fromHeads(g, y), keys, v]
}

/** ONNX's own Attention, from opset 23 on. */
const standard: Expansion = (g, { node, input, asked }: FusedSite) => {
  const [query = '', key = '', value = '', mask, past, pastValue] = [0, 1, 2, 3, 4, 5].map(input)
  if (filled(g, past) || filled(g, pastValue)) return { because: PAST }
  if (asked(3)) return { because: 'its scores are read' }
  const flat = g.dims(query).length === 3
  const [heads, own] = [intAttribute(node, 'q_num_heads', 1), intAttribute(node, 'kv_num_heads', 1)]
  const split = (x: string, count: number) => (g.dims(x).length === 3 ? toHeads(g, x, count) : x)
  const [q, k, v] = [split(query, heads), split(key, own), split(value, own)]
  const bias = mask === undefined ? [] : [g.known(mask).dtype === 'bool' ? penalty(g, mask, g.dims(mask), -1e9) : mask]
  const scale = scaleOf(node, g.dims(q)[3] ?? 1)
  const causal = intAttribute(node, 'is_causal', 0) === 1
  const y = attend(g, { q, k, v, scale, causal, bias, softcap: floatAttribute(node, 'softcap', 0) })
  return [flat ? fromHeads(g, y) : y, k, v]
}

export const attentionExpansions: Expansions = {
  [`${CONTRIBUTED}:Attention`]: packed,
  [`${CONTRIBUTED}:MultiHeadAttention`]: multiHead,
  [`${CONTRIBUTED}:GroupQueryAttention`]: groupQuery,
  ':Attention': standard,
}
