// Weights that layers share, one copy each: with exact byte products ONNX Runtime rewrites a layer's codes in place, and fails on
// those that another layer rewrote before.
import type { Model, Tensor } from '../onnx/index.ts'

/** Is this what ONNX Runtime says of it? */
export function fromSharedCodes(message: string): boolean {
  return message.includes('Attempt to replace the existing tensor')
}

/** The same model with codes and zero points of its own for each DequantizeLinear; for a session, never for a file. */
export function withOwnCodes(model: Model): Model {
  const { graph } = model
  const initializers = new Map<string, Tensor>(graph.initializers)
  const taken = new Set<string>()
  const own = (name: string): string => {
    const tensor = initializers.get(name)
    if (!tensor || !taken.has(name)) {
      taken.add(name)
      return name
    }
    let copy = name
    for (let count = 2; initializers.has(copy); count++) copy = `${name}/${count}`
    initializers.set(copy, tensor)
    return copy
  }
  const nodes = graph.nodes.map((node) => {
    if (node.opType !== 'DequantizeLinear') return node
    const [codes = '', scale = '', ...zero] = node.inputs
    return { ...node, inputs: [own(codes), scale, ...zero.map(own)] }
  })
  return { ...model, graph: { ...graph, nodes, initializers } }
}
