// Activations as functions of one number, for quadrature.
import { portable } from '../../base/index.ts'
import { normalCdf } from '../../math/index.ts'
import { floatAttribute, isOp, type Node, stringAttribute } from '../../onnx/index.ts'

const sigmoid = (x: number) => 1 / (1 + portable.exp(-x))
const softplus = (x: number) => Math.max(x, 0) + portable.log1p(portable.exp(-Math.abs(x)))
const clamp = (x: number) => Math.min(1, Math.max(0, x))

const table: Readonly<Record<string, (x: number, node: Node) => number>> = {
  Abs: Math.abs,
  Sigmoid: sigmoid,
  Tanh: portable.tanh,
  Exp: portable.exp,
  Sin: Math.sin,
  Cos: Math.cos,
  Softplus: softplus,
  HardSwish: (x) => x * clamp(x / 6 + 0.5),
  HardSigmoid: (x, node) => clamp(floatAttribute(node, 'alpha', 0.2) * x + floatAttribute(node, 'beta', 0.5)),
  Elu: (x, node) => (x > 0 ? x : floatAttribute(node, 'alpha', 1) * portable.expm1(x)),
  Mish: (x) => x * portable.tanh(softplus(x)),
  Erf: (x) => 2 * normalCdf(x * Math.SQRT2) - 1,
  Gelu: (x, node) =>
    stringAttribute(node, 'approximate', 'none') === 'tanh'
      ? 0.5 * x * (1 + portable.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))
      : x * normalCdf(x),
}

/** The function that an element-wise node computes, when it is listed. */
export function functionOf(node: Node): ((x: number) => number) | undefined {
  const f = isOp(node, node.opType) ? table[node.opType] : undefined
  return f && ((x) => f(x, node))
}
