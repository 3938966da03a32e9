// A MatMul's bias: the constant vector that the only node behind it adds.
import { type Consumers, factsOf, isOp, type Node, type Tensor } from '../onnx/index.ts'

/** The Add behind a MatMul, the name of what it adds and its values [channels]; undefined for other nodes and other Adds. */
export function biasAddOf(
  node: Node,
  consumers: Consumers,
  constantOf: (name: string) => Tensor | undefined,
): { readonly add: Node; readonly name: string; readonly tensor: Tensor } | undefined {
  const { layer } = factsOf(node)
  if (!layer || layer.bias !== undefined) return undefined
  const output = node.outputs[0] ?? ''
  const [add, ...others] = consumers.get(output) ?? []
  if (!add || others.length > 0 || !isOp(add, 'Add')) return undefined
  const name = (add.inputs[0] === output ? add.inputs[1] : add.inputs[0]) ?? ''
  const tensor = constantOf(name)
  return tensor && tensor.size === tensor.shape.at(-1) ? { add, name, tensor } : undefined
}
