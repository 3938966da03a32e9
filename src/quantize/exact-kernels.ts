// Repairs of files whose kernels give other answers on some processors: the same function, stored so that all kernels compute it.
import { codeLayersOf, GraphEditor, intAttr, intAttribute, isOp, type Model, type Node } from '../onnx/index.ts'
import { toUnsigned } from './shared-codes.ts'

/**
 * Stores the weights of layers as uint8 around 128 instead of int8 around 0: the same numbers, for which x64 without VNNI has a kernel that
 * does not saturate. Whoever else reads the codes reads the new ones.
 * @param names layers, by the names of their nodes; those without int8 codes behind DequantizeLinear stay as they are
 */
export function withUnsignedWeights(model: Model, names: ReadonlySet<string>): Model {
  const editor = new GraphEditor(model)
  const chosen = codeLayersOf(model).filter(({ layer }) => names.has(layer.name) && layer.weight.dtype === 'int8')
  const codes = new Set(chosen.map(({ dequantize }) => dequantize.inputs[0] ?? ''))
  for (const name of codes) {
    const readers = editor.consumers(name)
    if (readers.every((node) => isOp(node, 'DequantizeLinear'))) toUnsigned(editor, name, readers)
  }
  return editor.finish()
}

/** Attribute of MatMulNBits that says in what it computes: 1 is float32, 4 rounds what it reads to 8 bits. */
const LEVEL = 'accuracy_level'

/** Is it a product with blocks of few bits that rounds what it reads to 8 bits? */
export function readsBytes(node: Node): boolean {
  return node.opType === 'MatMulNBits' && intAttribute(node, LEVEL, 0) === 4
}

/** Lets products with blocks of few bits compute in float32. */
export function withFloatBlocks(model: Model): Model {
  if (!model.graph.nodes.some(readsBytes)) return model
  const nodes = model.graph.nodes.map((node) =>
    readsBytes(node) ? { ...node, attributes: new Map([...node.attributes, [LEVEL, intAttr(1)] as const]) } : node,
  )
  return { ...model, graph: { ...model.graph, nodes } }
}
