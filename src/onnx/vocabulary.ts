// Token numbers: how many different ones an integer input may hold, from the tables that it is looked up in.
import { intAttribute } from './attributes.ts'
import { constantsOf } from './layers.ts'
import { isOp, type Model, type Node } from './model.ts'
import { factsOf } from './ops/index.ts'

/**
 * Integer inputs that pick rows of a constant table, directly or moved and cast on the way → rows of the smallest one. Quantised
 * tables (DequantizeLinear) count as tables.
 */
export function vocabularies(model: Model): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { name, dtype } of model.graph.inputs) {
    if (!/^u?int/.test(dtype ?? '')) continue
    const rows = tablesOf(model, name)
    if (rows.length > 0) found[name] = Math.min(...rows)
  }
  return found
}

/** Rows of the tables that a value, or what is made of it by moving and casting alone, picks from. */
function tablesOf({ graph }: Model, input: string): number[] {
  const constants = constantsOf(graph)
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const shapeOf = (value: string | undefined): readonly number[] | undefined => {
    const maker = producers.get(value ?? '')
    return (constants(value) ?? (maker && isOp(maker, 'DequantizeLinear') ? constants(maker.inputs[0]) : undefined))
      ?.shape
  }
  const reached = new Set([input])
  const rows: number[] = []
  // Nodes come after what they read.
  for (const node of graph.nodes) {
    const table = isOp(node, 'Gather') && reached.has(node.inputs[1] ?? '') ? shapeOf(node.inputs[0]) : undefined
    if (table) rows.push(table[axisOf(node, table.length)] ?? 0)
    else if (reached.has(node.inputs[0] ?? '') && (factsOf(node).movesData || isOp(node, 'Cast')))
      for (const output of node.outputs) reached.add(output)
    if (isOp(node, 'EmbedLayerNormalization'))
      // Word and segment numbers, and the tables of each.
      for (const [ids, at] of [
        [0, 2],
        [1, 4],
      ] as const)
        if (reached.has(node.inputs[ids] ?? '')) rows.push(shapeOf(node.inputs[at])?.[0] ?? 0)
  }
  return rows.filter((count) => count > 0)
}

function axisOf(node: Node, rank: number): number {
  const axis = intAttribute(node, 'axis', 0)
  return axis < 0 ? axis + rank : axis
}
