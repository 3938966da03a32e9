// Inputs whose value decides which branch of the graph runs.
import { constantsOf, isOp, type Model } from '../onnx/index.ts'

/** Integer inputs that the graph compares with a constant (a sampling rate): with another number it takes a dead branch. */
export function comparedConstants(model: Model): Record<string, number> {
  const constants = constantsOf(model.graph)
  const found: Record<string, number> = {}
  for (const node of model.graph.nodes) {
    if (!isOp(node, 'Equal')) continue
    for (const [index, name] of node.inputs.entries()) {
      const other = constants(node.inputs[1 - index])
      const input = model.graph.inputs.find((declared) => declared.name === name)
      if (input && other?.size === 1 && /^u?int/.test(input.dtype ?? '')) found[name] = other.numbers()[0] ?? 0
    }
  }
  return found
}
