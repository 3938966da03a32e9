// A node with float16 in place of float32: what its attributes say of types and constants.
import {
  type Attribute,
  dtypeNumber,
  dtypeOf,
  factsOf,
  intAttr,
  isInnerType,
  type Node,
  type Tensor,
} from '../../onnx/index.ts'
import { floatTensor } from '../../rewrite/index.ts'

/** The attributes of a node whose outputs are float16. */
export function halfAttributes(node: Node): Map<string, Attribute> {
  return new Map([...node.attributes].map(([name, attribute]) => [name, halved(node, name, attribute)]))
}

function halved(node: Node, name: string, attribute: Attribute): Attribute {
  if (attribute.type === 'tensor' && attribute.value.dtype === 'float32')
    return { type: 'tensor', value: asHalf(attribute.value) }
  const names = factsOf(node).typeAttributes?.includes(name) === true && !isInnerType(name)
  if (attribute.type === 'int' && names && dtypeOf(Number(attribute.value)) === 'float32')
    return intAttr(dtypeNumber('float16'))
  return attribute
}

/** float32 numbers as float16; finite ones that are lower than `lowest` become that. */
export function asHalf(tensor: Tensor, lowest: number = Number.NEGATIVE_INFINITY): Tensor {
  const values = tensor.floats()
  const clipped = Number.isFinite(lowest)
    ? values.map((value) => (Number.isFinite(value) ? Math.max(value, lowest) : value))
    : values
  return floatTensor('float16', tensor.shape, clipped)
}
