// Writing nodes of a training graph: each call adds one standard operator and knows the shape of what it makes.
import { sizeOf, UnsupportedError } from '../../base/index.ts'
import {
  type Attribute,
  type DType,
  type GraphEditor,
  intAttr,
  intsAttr,
  isFloat,
  type Node,
  Tensor,
} from '../../onnx/index.ts'
import { broadcastDims, reducedTo } from './broadcast.ts'
import { sliceSize } from './slice-size.ts'

/** ONNX's number of float32, for Cast. */
export const FLOAT = 1

/** Domain of ONNX Runtime's own operators. */
const CONTRIBUTED = 'com.microsoft'

/** Operands that are read transposed. */
export interface Transposed {
  readonly transA?: boolean
  readonly transB?: boolean
}

/** Where a slice begins and ends on each axis, and its steps (1 unless given), as in ONNX's Slice. */
export interface Cut {
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  readonly steps?: readonly number[]
}

/** Shape and element type of a value of the graph. */
export interface Known {
  readonly dims: readonly number[]
  readonly dtype: DType
}

/**
 * Adds nodes to a graph of fixed shapes. Values are names; `dims` of every value that was observed or emitted is known.
 * Equal constants are stored once.
 */
export class Emitter {
  readonly editor: GraphEditor
  readonly #known: Map<string, Known>
  readonly #constants = new Map<string, string>()
  readonly #made = new Map<string, string>()

  constructor(editor: GraphEditor, shapes: ReadonlyMap<string, Known>) {
    this.editor = editor
    this.#known = new Map([...shapes].map(([name, { dims, dtype }]) => [name, { dims, dtype }]))
  }

  /** Shapes and element types of all values that were observed or emitted. */
  get shapes(): ReadonlyMap<string, Known> {
    return this.#known
  }

  known(value: string): Known {
    const found = this.#known.get(value)
    if (found) return found
    const tensor = this.editor.constant(value)
    if (!tensor) throw new UnsupportedError(`cannot train: the shape of "${value}" was not observed`, { tensor: value })
    return { dims: tensor.shape, dtype: tensor.dtype }
  }

  /** Shape of a value. */
  dims(value: string): readonly number[] {
    return this.known(value).dims
  }

  /** Can a gradient go through the value? */
  isFloat(value: string): boolean {
    return value !== '' && isFloat(this.known(value).dtype)
  }

  /** Tells the shape of a value that was added from outside. */
  declare(value: string, dims: readonly number[], dtype: DType = 'float32'): string {
    this.#known.set(value, { dims, dtype })
    return value
  }

  /** Adds a graph input. */
  input(hint: string, dims: readonly number[], dtype: DType = 'float32'): string {
    const name = this.editor.freshName(hint)
    this.editor.graph.inputs.push({ name, dtype, shape: dims })
    return this.declare(name, dims, dtype)
  }

  /** Says that a value that was added is of another type than float32. */
  typed(value: string, dtype: DType): string {
    return this.declare(value, this.dims(value), dtype)
  }

  /** Adds a node with one output, of float32; see `typed`. */
  add(
    opType: string,
    inputs: readonly string[],
    dims: readonly number[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const output = this.editor.freshName(`train/${opType}`)
    this.editor.addNode({ opType, inputs, outputs: [output], attributes })
    return this.declare(output, dims)
  }

  /** Adds a node of one of ONNX Runtime's own domains. */
  addOwn(
    { domain, opType }: { readonly domain: string; readonly opType: string },
    inputs: readonly string[],
    dims: readonly number[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    this.editor.model.opsets.set(domain, 1)
    const output = this.editor.freshName(`train/${opType}`)
    this.editor.addNode({ opType, domain, inputs, outputs: [output], attributes })
    return this.declare(output, dims)
  }

  /** A value that several places of the graph share, made when the first of them asks. */
  once(key: string, make: () => string): string {
    const present = this.#made.get(key) ?? make()
    this.#made.set(key, present)
    return present
  }

  /** Makes an existing node give one of its optional outputs and returns that output's name. */
  extraOutput(node: Node, index: number, dims: readonly number[], dtype: DType): string {
    const present = node.outputs[index]
    if (present) return present
    while (node.outputs.length < index) node.outputs.push('')
    const name = this.editor.freshName(`${node.outputs[0]}/${index}`)
    this.editor.setOutput(node, index, name)
    return this.declare(name, dims, dtype)
  }

  constant(tensor: Tensor, hint = 'constant'): string {
    const key = `${tensor.dtype}[${tensor.shape}]${tensor.size <= 64 ? tensor.numbers() : Math.random()}`
    const present = this.#constants.get(key)
    if (present !== undefined) return present
    const name = this.editor.addTensor(`train/${hint}`, tensor)
    this.#constants.set(key, name)
    return this.declare(name, tensor.shape, tensor.dtype)
  }

  scalar(value: number): string {
    return this.constant(Tensor.scalar(value))
  }

  floats(dims: readonly number[], values: Float32Array | readonly number[]): string {
    return this.constant(Tensor.from('float32', dims, values))
  }

  ints(values: readonly number[]): string {
    return this.constant(Tensor.from('int64', [values.length], values))
  }

  /** A constant filled with one number, made when the graph runs so that the file stays small. */
  filled(dims: readonly number[], value: number): string {
    const attribute: Attribute = { type: 'tensor', value: Tensor.from('float32', [1], [value]) }
    return this.add('ConstantOfShape', [this.ints(dims)], dims, { value: attribute })
  }

  unary(opType: string, x: string, attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.add(opType, [x], this.dims(x), attributes)
  }

  /** Add, Sub, Mul, Div, Pow, Min, Max with broadcasting. */
  binary(opType: string, a: string, b: string): string {
    return this.add(opType, [a, b], broadcastDims(this.dims(a), this.dims(b)))
  }

  plus(a: string, b: string): string {
    return this.binary('Add', a, b)
  }

  minus(a: string, b: string): string {
    return this.binary('Sub', a, b)
  }

  times(a: string, b: string): string {
    return this.binary('Mul', a, b)
  }

  over(a: string, b: string): string {
    return this.binary('Div', a, b)
  }

  scaled(x: string, factor: number): string {
    return factor === 1 ? x : this.times(x, this.scalar(factor))
  }

  /** 1 where the comparison (Greater, Less, Equal …) holds, else 0. Cast and Mul are faster than Where. */
  mask(opType: string, a: string, b: string): string {
    const dims = broadcastDims(this.dims(a), this.dims(b))
    const holds = this.typed(this.add(opType, [a, b], dims), 'bool')
    return this.add('Cast', [holds], dims, { to: intAttr(FLOAT) })
  }

  /** A·B over the last two axes. ONNX Runtime's own FusedMatMul reads an operand transposed without copying it. */
  matMul(a: string, b: string, { transA = false, transB = false }: Transposed = {}): string {
    const [left, right] = [this.dims(a), this.dims(b)]
    const batch = broadcastDims(left.slice(0, -2), right.slice(0, -2))
    const dims = [...batch, left.at(transA ? -1 : -2) ?? 1, right.at(transB ? -2 : -1) ?? 1]
    if (!transA && !transB) return this.add('MatMul', [a, b], dims)
    const attributes = { transA: intAttr(transA ? 1 : 0), transB: intAttr(transB ? 1 : 0) }
    return this.addOwn({ domain: CONTRIBUTED, opType: 'FusedMatMul' }, [a, b], dims, attributes)
  }

  /** alpha · A'·B' of matrices. */
  gemm(
    a: string,
    b: string,
    { transA = false, transB = false, alpha = 1 }: Transposed & { readonly alpha?: number } = {},
  ): string {
    const dims = [this.dims(a)[transA ? 1 : 0] ?? 1, this.dims(b)[transB ? 0 : 1] ?? 1]
    return this.add('Gemm', [a, b], dims, {
      ...(transA ? { transA: intAttr(1) } : {}),
      ...(transB ? { transB: intAttr(1) } : {}),
      ...(alpha === 1 ? {} : { alpha: { type: 'float', value: alpha } }),
    })
  }

  transpose(x: string, perm: readonly number[]): string {
    if (perm.every((axis, i) => axis === i)) return x
    const dims = this.dims(x)
    const turned = perm.map((axis) => dims[axis] ?? 1)
    return this.typed(this.add('Transpose', [x], turned, { perm: intsAttr(perm) }), this.known(x).dtype)
  }

  reshape(x: string, dims: readonly number[]): string {
    if (this.dims(x).join() === dims.join()) return x
    return this.typed(this.add('Reshape', [x, this.ints(dims)], dims), this.known(x).dtype)
  }

  /** ReduceSum, ReduceMean or ReduceMax; no axes at all: over nothing. */
  reduce(opType: string, x: string, axes: readonly number[], keep = false): string {
    const from = this.dims(x)
    if (axes.length === 0) return x
    const dims = keep ? from.map((dim, i) => (axes.includes(i) ? 1 : dim)) : from.filter((_, i) => !axes.includes(i))
    return this.add(opType, [x, this.ints(axes)], dims, { keepdims: intAttr(keep ? 1 : 0) })
  }

  sum(x: string, axes: readonly number[], keep = false): string {
    return this.reduce('ReduceSum', x, axes, keep)
  }

  mean(x: string, axes: readonly number[], keep = false): string {
    return this.reduce('ReduceMean', x, axes, keep)
  }

  /** Repeats along axes of size 1. */
  expand(x: string, dims: readonly number[]): string {
    if (this.dims(x).join() === dims.join()) return x
    return this.add('Expand', [x, this.ints(dims)], dims)
  }

  /** Undoes broadcasting: sums over the axes along which a value of shape `dims` was repeated. */
  sumTo(x: string, dims: readonly number[]): string {
    return this.reshape(this.sum(x, reducedTo(this.dims(x), dims), true), dims)
  }

  /** Cuts along axes (0 to rank − 1); places and steps as in ONNX's Slice. */
  slice(x: string, axes: readonly number[], { starts, ends, steps }: Cut): string {
    const dims = [...this.dims(x)]
    for (const [i, axis] of axes.entries())
      dims[axis] = sliceSize(dims[axis] ?? 1, starts[i] ?? 0, ends[i] ?? 0, steps?.[i] ?? 1)
    if (dims.join() === this.dims(x).join() && !steps?.some((step) => step < 0)) return x
    const inputs = [x, this.ints(starts), this.ints(ends), this.ints(axes)]
    return this.add('Slice', steps ? [...inputs, this.ints(steps)] : inputs, dims)
  }

  /** Pads with zeros: all begins, then all ends; negative numbers cut. */
  pad(x: string, pads: readonly number[]): string {
    if (pads.every((count) => count === 0)) return x
    const from = this.dims(x)
    const dims = from.map((dim, i) => dim + (pads[i] ?? 0) + (pads[i + from.length] ?? 0))
    return this.add('Pad', [x, this.ints(pads)], dims)
  }

  concat(values: readonly string[], axis: number): string {
    const [first = '', ...others] = values
    if (others.length === 0) return first
    const dims = [...this.dims(first)]
    dims[axis] = values.reduce((sum, value) => sum + (this.dims(value)[axis] ?? 0), 0)
    return this.typed(this.add('Concat', values, dims, { axis: intAttr(axis) }), this.known(first).dtype)
  }

  gather(x: string, indices: readonly number[], axis: number): string {
    const dims = this.dims(x).map((dim, i) => (i === axis ? indices.length : dim))
    return this.add('Gather', [x, this.ints(indices)], dims, { axis: intAttr(axis) })
  }

  /** Number of elements of a value. */
  size(value: string): number {
    return sizeOf(this.dims(value))
  }
}
