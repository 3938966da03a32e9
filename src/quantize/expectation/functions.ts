// Activations as functions of one number, for quadrature.
import { normalCdf } from '../../math/index.ts'
import { floatAttribute, isOp, type Node, stringAttribute } from '../../onnx/index.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const clamp = (x: number) => Math.min(1, Math.max(0, x))

const table: Readonly<Record<string, (x: number, node: Node) => number>> = {
  Abs: Math.abs,
  Sigmoid: sigmoid,
  Tanh: Math.tanh,
  Exp: Math.exp,
  Sin: Math.sin,
  Cos: Math.cos,
  Softplus: softplus,
  HardSwish: (x) => x * clamp(x / 6 + 0.5),
  HardSigmoid: (x, node) => clamp(floatAttribute(node, 'alpha', 0.2) * x + floatAttribute(node, 'beta', 0.5)),
  Elu: (x, node) => (x > 0 ? x : floatAttribute(node, 'alpha', 1) * Math.expm1(x)),
  Mish: (x) => x * Math.tanh(softplus(x)),
  Erf: (x) => 2 * normalCdf(x * Math.SQRT2) - 1,
  Gelu: (x, node) =>
    stringAttribute(node, 'approximate', 'none') === 'tanh'
      ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : x * normalCdf(x),
}

/** The function that an element-wise node computes, when it is listed. */
export function functionOf(node: Node): ((x: number) => number) | undefined {
  const f = isOp(node, node.opType) ? table[node.opType] : undefined
  return f && ((x) => f(x, node))
}
