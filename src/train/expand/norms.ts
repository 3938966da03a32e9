// Fused normalisations: what is added in front of them, and root mean squares without a mean.
import { floatAttr, floatAttribute, intAttr, intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { CONTRIBUTED, type Expansion, type Expansions, type FusedSite } from './fused.ts'

/** x/√(mean(x²) + ε)·scale over the axes from `axis` on (arXiv 1910.07467). @returns the result, and 1/√(…) */
function rms(g: Emitter, x: string, scale: string, { axis, epsilon }: { axis: number; epsilon: number }): string[] {
  const rank = g.dims(x).length
  const first = axis < 0 ? axis + rank : axis
  const axes = Array.from({ length: rank - first }, (_, i) => first + i)
  const square = g.mean(g.times(x, x), axes, true)
  const inverse = g.unary('Reciprocal', g.unary('Sqrt', g.plus(square, g.scalar(epsilon))))
  return [g.times(g.times(x, inverse), scale), inverse]
}

const rmsNorm: Expansion = (g, { node, input }) => {
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  return rms(g, input(0) ?? '', input(1) ?? '', { axis: intAttribute(node, 'axis', -1), epsilon })
}

/** The sum in front of a normalisation: input, skip and bias. */
function summed(g: Emitter, { input }: FusedSite, bias: number): string {
  const sum = g.plus(input(0) ?? '', input(1) ?? '')
  const last = input(bias)
  return last === undefined ? sum : g.plus(sum, last)
}

/** Are the statistics in the middle outputs asked for? */
function asksStatistics({ asked }: FusedSite): boolean {
  return asked(1) || asked(2)
}

const because = 'its mean or its deviation is read'

const skipLayerNorm: Expansion = (g, site) => {
  if (asksStatistics(site)) return { because }
  const sum = summed(g, site, 4)
  const affine = [site.input(2), site.input(3)].flatMap((name) => name ?? [])
  const epsilon = floatAttr(floatAttribute(site.node, 'epsilon', 1e-12))
  const y = g.add('LayerNormalization', [sum, ...affine], g.dims(sum), { axis: intAttr(-1), epsilon })
  return [y, undefined, undefined, sum]
}

const skipRmsNorm: Expansion = (g, site) => {
  if (asksStatistics(site)) return { because }
  const sum = summed(g, site, 3)
  const epsilon = floatAttribute(site.node, 'epsilon', 1e-12)
  return [rms(g, sum, site.input(2) ?? '', { axis: -1, epsilon })[0], undefined, undefined, sum]
}

/** Rows of words, places and segments, added and normalised. */
const embedLayerNorm: Expansion = (g, { node, input, asked }) => {
  const [ids = '', words = '', places = '', gamma = '', beta = ''] = [0, 2, 3, 5, 6].map((index) => input(index) ?? '')
  if (asked(1)) return { because: 'its mask is read' }
  const [batch = 1, length = 1] = g.dims(ids)
  const dims = [batch, length, g.dims(words)[1] ?? 1]
  const rows = (table: string, indices: string) => g.add('Gather', [table, indices], [...g.dims(indices), dims[2] ?? 1])
  const positions = input(8) ?? g.reshape(g.ints(Array.from({ length }, (_, i) => i)), [1, length])
  const both = g.plus(rows(words, ids), rows(places, positions))
  const [segments, table] = [input(1), input(4)]
  const sum = segments !== undefined && table !== undefined ? g.plus(both, rows(table, segments)) : both
  const epsilon = floatAttr(floatAttribute(node, 'epsilon', 1e-12))
  const y = g.add('LayerNormalization', [sum, gamma, beta], dims, { axis: intAttr(-1), epsilon })
  return [y, undefined, sum]
}

export const normExpansions: Expansions = {
  ':RMSNormalization': rmsNorm,
  ':SimplifiedLayerNormalization': rmsNorm,
  [`${CONTRIBUTED}:SimplifiedLayerNormalization`]: rmsNorm,
  [`${CONTRIBUTED}:SkipLayerNormalization`]: skipLayerNorm,
  [`${CONTRIBUTED}:SkipSimplifiedLayerNormalization`]: skipRmsNorm,
  [`${CONTRIBUTED}:EmbedLayerNormalization`]: embedLayerNorm,
}
