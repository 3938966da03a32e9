// Codes that several products of matrices read: uint8, because ONNX Runtime makes uint8 of int8 ones on loading where it has no exact
// kernel for them (x86-64 without VNNI, with session.x64quantprecision), once for each reader under one name, and fails on the second.
import { GraphEditor, isOp, type Model, type Node, Tensor } from '../onnx/index.ts'

/** int8 codes around 0 as uint8 codes around this. */
export const SHIFT = 128

/** int8 codes, or their zero points, as uint8 ones for the same numbers. */
export function unsignedCodes(codes: Tensor): Uint8Array {
  return new Uint8Array(codes.bytes).map((byte) => byte ^ SHIFT)
}

/** The same model with the int8 codes that more than one MatMul or Gemm reads in uint8, zero points moved along; not changed in place. */
export function sharedCodesUnsigned(model: Model): Model {
  const shared = [...model.graph.initializers].flatMap(([name, tensor]) =>
    tensor.dtype === 'int8' && tensor.shape.length === 2 ? [name] : [],
  )
  const editor = new GraphEditor(model)
  let changed = false
  for (const name of shared) {
    const readers = editor.consumers(name)
    const products = readers.flatMap((node) => productsOf(editor, node, name))
    if (products.length < 2 || readers.some((node) => productsOf(editor, node, name).length === 0)) continue
    toUnsigned(editor, name, readers)
    changed = true
  }
  return changed ? editor.finish() : model
}

/** The products that multiply with codes behind a DequantizeLinear; none when something else reads them too. */
function productsOf(editor: GraphEditor, reader: Node, codes: string): Node[] {
  if (!isOp(reader, 'DequantizeLinear') || reader.inputs[0] !== codes) return []
  const behind = editor.consumers(reader.outputs[0] ?? '')
  return behind.every((node) => isOp(node, 'MatMul', 'Gemm')) ? behind : []
}

/** Moves int8 codes, which nodes read behind DequantizeLinear, to uint8 ones for the same numbers. */
export function toUnsigned(editor: GraphEditor, name: string, readers: readonly Node[]): void {
  const codes = editor.constant(name)
  if (!codes) return
  const moved = (tensor: Tensor) => Tensor.from('uint8', tensor.shape, unsignedCodes(tensor))
  editor.graph.initializers.set(name, moved(codes))
  for (const node of readers) {
    const grid = editor.constant(node.inputs[1])
    const none = Tensor.from('int8', grid?.shape ?? [], new Int8Array(grid?.size ?? 1))
    editor.setConstant(node, 2, moved(editor.constant(node.inputs[2]) ?? none), `${name}/zero_point`)
  }
}
