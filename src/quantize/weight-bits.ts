// How many bits each layer's weight gets. With 4, the layers that suffer most keep 8.
import { isDepthwise, type Layer, type Node } from '../onnx/index.ts'
import type { QuantizeOptions } from './options.ts'
import type { Placement } from './placement/placement.ts'
import { selector } from './select.ts'

/** Words of `keep8bit` beside patterns. */
const groups = ['first', 'last', 'depthwise', 'none'] as const

/**
 * Bits of each integer layer: 8, or 4 for those that `keep8bit` does not name (`first`, `last`, `depthwise`, `none`, or
 * patterns as for --exclude).
 * @throws UsageError for a pattern that fits no node
 */
export function weightBitsOf(
  placement: Pick<Placement, 'layers'>,
  nodes: readonly Node[],
  options: Pick<QuantizeOptions, 'weightBits' | 'keep8bit'>,
): ReadonlyMap<Node, number> {
  const layers = [...placement.layers].sort(([a], [b]) => nodes.indexOf(a) - nodes.indexOf(b))
  if (options.weightBits === 8) return new Map(layers.map(([node]) => [node, 8]))
  const words: readonly string[] = groups
  const patterns = options.keep8bit.filter((word) => !words.includes(word))
  const named = selector(patterns, nodes, '--keep-8bit')
  const has = (word: (typeof groups)[number]) => options.keep8bit.includes(word)
  const keeps = (node: Node, layer: Layer, index: number) =>
    (has('first') && index === 0) ||
    (has('last') && index === layers.length - 1) ||
    (has('depthwise') && isDepthwise(layer)) ||
    named(node)
  return new Map(layers.map(([node, layer], index) => [node, keeps(node, layer, index) ? 8 : options.weightBits]))
}
