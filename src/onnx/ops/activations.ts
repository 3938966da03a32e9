// Element-wise operators with one live input, and what bounds their output (used to keep ranges inside it).
import { floatAttribute, intAttribute } from '../attributes.ts'
import { dtypeOf } from '../dtype.ts'
import type { Node } from '../model.ts'
import { type Bounds, type Constants, defineOp, type OpFacts } from './facts.ts'

const inf = Number.POSITIVE_INFINITY
const within = (low: number, high: number) => (): Bounds => ({ low, high })

/** Bounds of a Clip: inputs since opset 11, attributes before; a bound that is not a constant is unknown. */
export function clipBounds(node: Node, constants: Constants): Bounds | undefined {
  const bound = (index: number, attribute: string, fallback: number): number | undefined => {
    const name = node.inputs[index]
    if (!name) return floatAttribute(node, attribute, fallback)
    const tensor = constants(name)
    return tensor?.size === 1 ? tensor.floats()[0] : undefined
  }
  const low = bound(1, 'min', -inf)
  const high = bound(2, 'max', inf)
  return low === undefined || high === undefined ? undefined : { low, high }
}

export const activationOps: readonly OpFacts[] = [
  defineOp({ op: 'Relu', keepsFinite: 'adds', elementwise: true, homogeneous: true, bounds: within(0, inf) }),
  defineOp({ op: 'Clip', keepsFinite: 'adds', elementwise: true, bounds: clipBounds }),
  defineOp({ op: 'LeakyRelu', keepsFinite: 'adds', elementwise: true, homogeneous: true }),
  defineOp({ op: 'PRelu', keepsFinite: 'multiplies', elementwise: true, homogeneous: true }),
  defineOp({ op: 'Abs', keepsFinite: 'adds', elementwise: true, homogeneous: true, bounds: within(0, inf) }),
  defineOp({ op: 'Sqrt', elementwise: true, bounds: within(0, inf) }),
  defineOp({ op: 'Exp', elementwise: true, bounds: within(0, inf) }),
  defineOp({ op: 'Softplus', elementwise: true, bounds: within(0, inf) }),
  defineOp({ op: 'Sigmoid', keepsFinite: 'adds', elementwise: true, bounds: within(0, 1) }),
  defineOp({ op: 'HardSigmoid', keepsFinite: 'adds', elementwise: true, bounds: within(0, 1) }),
  defineOp({ op: 'Tanh', keepsFinite: 'adds', elementwise: true, bounds: within(-1, 1) }),
  defineOp({ op: 'Erf', keepsFinite: 'adds', elementwise: true, bounds: within(-1, 1) }),
  defineOp({ op: 'Sin', elementwise: true, bounds: within(-1, 1) }),
  defineOp({ op: 'Cos', elementwise: true, bounds: within(-1, 1) }),
  defineOp({ op: 'HardSwish', keepsFinite: 'adds', elementwise: true, bounds: within(-0.375, inf) }),
  defineOp({ op: 'Gelu', keepsFinite: 'adds', elementwise: true, bounds: within(-0.16998, inf) }),
  defineOp({
    op: 'Elu',
    keepsFinite: 'adds',
    elementwise: true,
    bounds: (node) => ({ low: -floatAttribute(node, 'alpha', 1), high: inf }),
  }),
  defineOp({ op: 'Softmax', keepsFinite: 'adds', bounds: within(0, 1) }),
  defineOp({ op: 'LogSoftmax', bounds: within(-inf, 0) }),
  defineOp({ op: 'Neg', keepsFinite: 'adds', elementwise: true }),
  defineOp({ op: 'Reciprocal', elementwise: true }),
  defineOp({ op: 'Log', elementwise: true }),
  defineOp({ op: 'Mish', elementwise: true }),
  defineOp({ op: 'Round', elementwise: true }),
  defineOp({ op: 'Floor', elementwise: true }),
  defineOp({ op: 'Ceil', elementwise: true }),
  defineOp({ op: 'Mul', keepsFinite: 'multiplies' }),
  defineOp({
    op: 'OneHot',
    bounds: (node, constants) => {
      const values = constants(node.inputs[2])?.floats()
      return values ? { low: Math.min(...values), high: Math.max(...values) } : undefined
    },
    dtype: (_node, _index, inputs) => inputs(2),
  }),
  defineOp({
    op: 'Cast',
    elementwise: true,
    typeAttributes: ['to'],
    dtype: (node) => dtypeOf(intAttribute(node, 'to', 1)),
  }),
  defineOp({ op: 'CastLike', elementwise: true, dtype: (_node, _index, inputs) => inputs(1) }),
]
