// The blocks of a transformer: an attention with the linear layers behind it. Found in the graph, whatever the names are.
import { layersOf, nodeName } from './layers.ts'
import type { Model } from './model.ts'
import { attentionGroups, type PartName, partOfLayers } from './parts.ts'

/** Where a layer stands. */
export interface LayerPlace {
  readonly part: PartName
  /** Its block, from 1; absent in front of the first block and behind the last. */
  readonly block?: number
}

/**
 * The place of each layer of the main graph, by its name. A block begins with the first layer of an attention and ends before that of
 * the next; attentions without a layer between them, as a decoder's two, are one block. What stands behind the last block's usual
 * number of layers is a head. Empty for a model without attention.
 */
export function layerPlaces(model: Model): Map<string, LayerPlace> {
  const groups = attentionGroups(model)
  if (groups.length === 0) return new Map()
  const parts = partOfLayers(model)
  const layers = layersOf(model)
  const attention = new Map(groups.flatMap((group, index) => [...group].map((node) => [node, index] as const)))
  const blocks = blockNumbers(layers.map(({ node }) => attention.get(node)))
  const usual = usualLength(layers.map(({ node }, at) => (attention.has(node) ? undefined : blocks[at])))
  const seen = new Map<number, number>()
  return new Map(
    layers.map(({ node }, at): [string, LayerPlace] => {
      const part = parts.get(node) ?? 'other'
      const block = blocks[at]
      if (block === undefined) return [nodeName(node), { part }]
      const count = attention.has(node) ? 0 : (seen.get(block) ?? 0) + 1
      if (count > 0) seen.set(block, count)
      const isHead = count > usual
      return [nodeName(node), isHead ? { part: 'linear' } : { part, block }]
    }),
  )
}

/** The block of each layer in graph order, from the attention that it belongs to, where it belongs to one. */
function blockNumbers(attentions: readonly (number | undefined)[]): (number | undefined)[] {
  const numbers: (number | undefined)[] = []
  const known = new Map<number, number>()
  let [block, between] = [0, true]
  for (const attention of attentions) {
    if (attention === undefined) {
      between = true
      numbers.push(block === 0 ? undefined : block)
      continue
    }
    if (!known.has(attention)) {
      if (between) block++
      known.set(attention, block)
      between = false
    }
    numbers.push(known.get(attention))
  }
  return numbers
}

/** How many layers beside its attention most blocks have. */
function usualLength(blocks: readonly (number | undefined)[]): number {
  const counts = new Map<number, number>()
  for (const block of blocks) if (block !== undefined) counts.set(block, (counts.get(block) ?? 0) + 1)
  const lengths = [...counts.values()].sort((a, b) => a - b)
  return lengths[Math.floor((lengths.length - 1) / 2)] ?? Number.POSITIVE_INFINITY
}
