// Evaluating operators that compute on constants: element by element, in float64 and rounded once (float32 sums, products,
// quotients and roots come out as the runtime's own); integers as the runtime does, wrapping.
import { isValueType, makeArray, setElement, sizeOf, type ValueType } from '../../base/index.ts'
import { dtypeOf, intAttribute, isFloat, type Node, Tensor, tensorAttribute } from '../../onnx/index.ts'
import { doublesOf, floatTensor } from '../float-tensor.ts'
import { MOST_ELEMENTS, type Rule } from './move.ts'

const wholeNumbers: readonly string[] = ['int64', 'int32'] satisfies ValueType[]

/** The shape that two shapes broadcast to, or undefined. */
function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length)
  const shape: number[] = []
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - (rank - a.length)] ?? 1
    const right = b[axis - (rank - b.length)] ?? 1
    if (left !== right && left !== 1 && right !== 1) return undefined
    shape.push(left === 1 ? right : left)
  }
  return shape
}

/** For each element of `shape`, the index of the element of a tensor of shape `own` that is broadcast to it. */
function sourceIndex(own: readonly number[], shape: readonly number[]): (index: number) => number {
  if (sizeOf(own) === sizeOf(shape)) return (index) => index
  return (index) => {
    let rest = index
    let source = 0
    let stride = 1
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] ?? 1
      const mine = own[axis - (shape.length - own.length)] ?? 1
      if (mine !== 1) source += (rest % size) * stride
      stride *= mine
      rest = Math.floor(rest / size)
    }
    return source
  }
}

const binary =
  (floats: (a: number, b: number) => number, integers: (a: bigint, b: bigint) => bigint | undefined): Rule =>
  (_node, [left, right]) => {
    const shape = left && right && left.dtype === right.dtype ? broadcast(left.shape, right.shape) : undefined
    if (!left || !right || !shape || sizeOf(shape) > MOST_ELEMENTS) return undefined
    const atLeft = sourceIndex(left.shape, shape)
    const atRight = sourceIndex(right.shape, shape)
    const count = sizeOf(shape)
    if (isFloat(left.dtype)) {
      const [a, b] = [doublesOf(left), doublesOf(right)]
      const values = Float64Array.from({ length: count }, (_, i) => floats(a[atLeft(i)] ?? 0, b[atRight(i)] ?? 0))
      return floatTensor(left.dtype, shape, values)
    }
    if (!wholeNumbers.includes(left.dtype) || !isValueType(left.dtype)) return undefined
    const [a, b] = [left.values(), right.values()]
    const data = makeArray(left.dtype, count)
    for (let i = 0; i < count; i++) {
      const value = integers(BigInt(a[atLeft(i)] ?? 0), BigInt(b[atRight(i)] ?? 0))
      if (value === undefined) return undefined
      if (data instanceof BigInt64Array) data[i] = value
      else setElement(data, i, Number(BigInt.asIntN(32, value)))
    }
    return Tensor.from(left.dtype, shape, data)
  }

const unary =
  (floats: (x: number) => number): Rule =>
  (_node, [data]) =>
    data && isFloat(data.dtype) ? floatTensor(data.dtype, data.shape, doublesOf(data).map(floats)) : undefined

const cast: Rule = (node, [data]) => {
  const to = dtypeOf(intAttribute(node, 'to', 1))
  if (!data || data.dtype === to) return data
  if (to === 'float32' && isFloat(data.dtype)) return Tensor.from(to, data.shape, data.floats())
  if (isFloat(to) && (isFloat(data.dtype) || isValueType(data.dtype)))
    return floatTensor(to, data.shape, doublesOf(data))
  if (!wholeNumbers.includes(to) || !isValueType(to) || !(isFloat(data.dtype) || isValueType(data.dtype)))
    return undefined
  const values = data.numbers()
  // Beyond the target's range every runtime does something else: left alone.
  const limit = to === 'int64' ? Number.MAX_SAFE_INTEGER : 2 ** 31 - 1
  const source = isFloat(data.dtype) ? Array.from(doublesOf(data)) : values
  if (source.some((value) => !(Math.abs(value) <= limit))) return undefined
  return Tensor.from(to, data.shape, source.map(Math.trunc))
}

const constantOfShape: Rule = (node, [shape]) => {
  if (!shape) return undefined
  const value = tensorAttribute(node, 'value') ?? Tensor.scalar(0)
  const dims = shape.numbers()
  if (!isValueType(value.dtype) || value.size !== 1 || sizeOf(dims) > MOST_ELEMENTS) return undefined
  const data = makeArray(value.dtype, sizeOf(dims))
  const [element = 0] = value.values()
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(element))
  else data.fill(Number(element))
  return Tensor.from(value.dtype, dims, data)
}

const shapeOf: Rule = (node: Node, [data]) => {
  if (!data) return undefined
  const dims = data.shape.slice(intAttribute(node, 'start', 0), intAttribute(node, 'end', data.shape.length))
  return Tensor.from('int64', [dims.length], dims)
}

export const computeRules: Readonly<Record<string, Rule>> = {
  Add: binary(
    (a, b) => a + b,
    (a, b) => BigInt.asIntN(64, a + b),
  ),
  Sub: binary(
    (a, b) => a - b,
    (a, b) => BigInt.asIntN(64, a - b),
  ),
  Mul: binary(
    (a, b) => a * b,
    (a, b) => BigInt.asIntN(64, a * b),
  ),
  Div: binary(
    (a, b) => a / b,
    (a, b) => (b === 0n ? undefined : a / b),
  ),
  Sqrt: unary(Math.sqrt),
  Neg: unary((x) => -x),
  Reciprocal: unary((x) => 1 / x),
  Abs: unary(Math.abs),
  Cast: cast,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: (_node, [data]) => (data ? Tensor.from('int64', [], [data.size]) : undefined),
}
