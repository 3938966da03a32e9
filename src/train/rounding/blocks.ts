// Cutting a network into blocks that are reconstructed together: a residual block stays whole.
import { layersOf, type Model, readsOf, sortNodes } from '../../onnx/index.ts'

/** A part of a network between two places where a single value holds everything that what follows depends on. */
export interface Block {
  /** The value at its end. */
  readonly output: string
  /** Names of its weighted layers. */
  readonly layers: readonly string[]
}

/** Layers of neighbouring parts that make one block, at most; a part that cannot be cut may have more. */
const MOST_LAYERS = 4

/** The blocks of a network with weighted layers, in order (BRECQ, arXiv 2102.05426, section 3.2). */
export function blocksOf(model: Model): Block[] {
  const { graph } = model
  const weighted = new Map(layersOf(model).map((layer) => [layer.node, layer.name]))
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const nodes = sortNodes(graph.nodes)
  const lastRead = new Map<string, number>()
  for (const [index, node] of nodes.entries()) for (const value of readsOf(node)) lastRead.set(value, index)
  const live = new Set(graph.inputs.map(({ name }) => name))
  const parts: Block[] = []
  let layers: string[] = []
  for (const [index, node] of nodes.entries()) {
    const name = weighted.get(node)
    if (name !== undefined) layers.push(name)
    // What depends on constants alone is not a way around a cut.
    if ([...readsOf(node)].some((value) => live.has(value))) for (const value of node.outputs) live.add(value)
    for (const value of live) if (!outputs.has(value) && (lastRead.get(value) ?? -1) <= index) live.delete(value)
    const [only, ...others] = live
    const ends = only !== undefined && others.length === 0 && node.outputs.includes(only)
    if (!ends || layers.length === 0) continue
    parts.push({ output: only, layers })
    layers = []
  }
  if (layers.length > 0 && graph.outputs[0]) parts.push({ output: graph.outputs[0].name, layers })
  return joined(parts)
}

/** Neighbours of few layers as one block. */
function joined(parts: readonly Block[]): Block[] {
  const blocks: Block[] = []
  for (const part of parts) {
    const before = blocks.at(-1)
    if (before && before.layers.length + part.layers.length <= MOST_LAYERS)
      blocks[blocks.length - 1] = { output: part.output, layers: [...before.layers, ...part.layers] }
    else blocks.push(part)
  }
  return blocks
}
