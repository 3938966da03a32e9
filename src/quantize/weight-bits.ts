// How many bits each layer's weight gets. With 4, the layers that suffer most keep 8, or what the target takes of them.
import { isDepthwise, type Layer, type Node } from '../onnx/index.ts'
import type { QuantizeOptions } from './options.ts'
import { overridesOf } from './overrides.ts'
import { selector } from './select.ts'

/** Words of `keep8bit` beside patterns. */
const groups = ['first', 'last', 'depthwise', 'none'] as const

/**
 * Bits of each layer, by its name: 8, or 4 for those that `keep8bit` does not name (`first`, `last`, `depthwise`, `none`, or
 * patterns as for --exclude). What is given, or said of the single layer or its weight, goes first.
 * @param layers in the order of the graph
 * @param nodes all nodes of the graph, among which patterns are looked for
 * @throws UsageError for a pattern that fits no node
 */
export function weightBitsOf(
  layers: readonly Layer[],
  nodes: readonly Node[],
  options: Pick<QuantizeOptions, 'weightBits' | 'keep8bit' | 'given' | 'overrides'> &
    Partial<Pick<QuantizeOptions, 'target'>>,
): ReadonlyMap<string, number> {
  const usual = usualBits(layers, nodes, options)
  const said = overridesOf(options.overrides, nodes)
  return new Map(
    layers.map(({ name, node, weightIndex }) => {
      const { type } = { ...said.get(node.inputs[weightIndex] ?? ''), ...said.get(name) }
      const dtype = options.given?.weights.get(name)?.dtype ?? type
      const own = dtype === 'int4' ? 4 : dtype === 'int8' ? 8 : (usual.get(name) ?? 8)
      return [name, own === 8 ? (options.target?.weightBits ?? 8) : own]
    }),
  )
}

function usualBits(
  layers: readonly Layer[],
  nodes: readonly Node[],
  options: Pick<QuantizeOptions, 'weightBits' | 'keep8bit'>,
): ReadonlyMap<string, number> {
  if (options.weightBits === 8) return new Map()
  const words: readonly string[] = groups
  const patterns = options.keep8bit.filter((word) => !words.includes(word))
  const named = selector(patterns, nodes, '--keep-8bit')
  const has = (word: (typeof groups)[number]) => options.keep8bit.includes(word)
  const keeps = (layer: Layer, index: number) =>
    (has('first') && index === 0) ||
    (has('last') && index === layers.length - 1) ||
    (has('depthwise') && isDepthwise(layer)) ||
    named(layer.node)
  return new Map(layers.map((layer, index) => [layer.name, keeps(layer, index) ? 8 : options.weightBits]))
}
