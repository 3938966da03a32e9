// Putting fitted numbers into the graph: another weight and bias, or two layers for one.
import type { LayerGeometry } from '../calibrate/index.ts'
import type { Matrix } from '../math/index.ts'
import {
  type Attribute,
  type GraphEditor,
  intAttr,
  intsAttr,
  isOp,
  type Node,
  type NodeSpec,
  Tensor,
} from '../onnx/index.ts'
import type { Factors } from './bilinear.ts'
import type { CompressibleLayer } from './layers.ts'
import type { Split, SplitPart } from './splits/index.ts'

/** Names of the two nodes that stand for a split layer; the second keeps the layer's name and output. */
export interface SplitNodes {
  readonly first: Node
  readonly second: Node
}

/** The node that makes a value. */
function nodeOf(editor: GraphEditor, { output, name }: CompressibleLayer): Node {
  const node = editor.producer(output)
  if (!node) throw new Error(`layer "${name}" is no longer in the model`)
  return node
}

/** What the two parts of a split layer hold. */
export interface SplitWeights {
  readonly split: Split
  /** Of each group, in the split's own order. */
  readonly factors: readonly Factors[]
  readonly bias: Float64Array
}

/** Replaces a layer by its two parts. */
export function splitLayer(
  editor: GraphEditor,
  target: CompressibleLayer,
  { split, factors, bias }: SplitWeights,
): SplitNodes {
  const { geometry, sizes, input, output } = target
  const old = nodeOf(editor, target)
  const rank = factors[0]?.first.rows ?? 0
  const { groups } = geometry
  const parts = split.parts(geometry, sizes)
  const across = parts.second.kernel[0] * parts.second.kernel[1]
  const firstWeight = concatenated(factors.map(({ first }) => first.data))
  const secondWeight = concatenated(factors.map(({ second }) => rankBeforePosition(second, across)))
  const between = editor.freshName(`${output}/rank${rank * groups}`)
  const weightName = old.inputs[1] ?? output
  if (isOp(old, 'Conv')) {
    const dims = target.weight.shape.length
    const first = convSpec(editor, old, {
      part: parts.first,
      groups,
      name: `${old.name}/first`,
      input,
      output: between,
      weight: Tensor.from('float32', shapeOf(rank * groups, geometry.inputsPerGroup, parts.first, dims), firstWeight),
      weightName: `${weightName}/first`,
    })
    const outputs = groups * geometry.outputsPerGroup
    const second = convSpec(editor, old, {
      part: parts.second,
      groups,
      name: old.name,
      input: between,
      output,
      weight: Tensor.from('float32', shapeOf(outputs, rank, parts.second, dims), secondWeight),
      weightName: `${weightName}/second`,
      bias,
    })
    return { first: editor.addNode(first), second: editor.replaceNode(old, second) }
  }
  return splitRows(editor, target, old, { between, rank, first: firstWeight, second: secondWeight, bias })
}

/** The two products that stand for one: the value between them, its width, and their weights [outputs, inputs]. */
interface RowParts {
  readonly between: string
  readonly rank: number
  readonly first: Float32Array
  readonly second: Float32Array
  readonly bias: Float64Array
}

/** Gemm and MatMul. */
function splitRows(
  editor: GraphEditor,
  { geometry, input, output }: CompressibleLayer,
  old: Node,
  { between, rank, bias, ...weights }: RowParts,
): SplitNodes {
  const { inputsPerGroup: inputs, outputsPerGroup: outputs } = geometry
  const weightName = old.inputs[1] ?? output
  const gemm = isOp(old, 'Gemm')
  const opType = gemm ? 'Gemm' : 'MatMul'
  const attributes: Record<string, Attribute> = gemm ? { transB: intAttr(1) } : {}
  const store = (hint: string, rows: number, columns: number, data: Float32Array) =>
    editor.addTensor(
      `${weightName}/${hint}`,
      gemm
        ? Tensor.from('float32', [rows, columns], data)
        : Tensor.from('float32', [columns, rows], transposed(data, rows, columns)),
    )
  const first = editor.addNode({
    opType,
    name: `${old.name}/first`,
    inputs: [input, store('first', rank, inputs, weights.first)],
    outputs: [between],
    attributes,
  })
  const second = editor.replaceNode(old, {
    opType,
    inputs: [
      between,
      store('second', outputs, rank, weights.second),
      ...(gemm
        ? [editor.addTensor(`${weightName}/bias`, Tensor.from('float32', [outputs], Float32Array.from(bias)))]
        : []),
    ],
    outputs: [output],
    attributes,
  })
  if (!gemm) addToMatMul(editor, second, bias)
  return { first, second }
}

/** Gives a layer another weight and bias; kernels of each group in the layer's own order. */
export function setWeight(
  editor: GraphEditor,
  target: CompressibleLayer,
  kernels: readonly Matrix[],
  bias: Float64Array,
): void {
  const { name, geometry, view, weight } = target
  const node = nodeOf(editor, target)
  const values = new Float32Array(weight.size)
  for (const [group, kernel] of kernels.entries())
    for (let o = 0, from = 0; o < kernel.rows; o++) {
      const base = view.offset(group * geometry.outputsPerGroup + o)
      for (let i = 0; i < view.inputsPerGroup; i++)
        for (let u = 0; u < view.positions; u++, from++)
          values[base + i * view.inputStride + u * view.positionStride] = kernel.data[from]!
    }
  editor.setConstant(node, 1, Tensor.from('float32', weight.shape, values))
  if (isOp(node, 'MatMul')) addToMatMul(editor, node, bias)
  else editor.setConstant(node, 2, Tensor.from('float32', [bias.length], Float32Array.from(bias)), `${name}/bias`)
}

/**
 * What a fit adds to a MatMul's output: into the bias that an Add behind it holds, or by an Add of its own; nothing when it
 * is nothing.
 */
function addToMatMul(editor: GraphEditor, node: Node, bias: Float64Array): void {
  if (bias.every((value) => value === 0)) return
  const output = node.outputs[0] ?? ''
  const add = editor.soleConsumer(output)
  if (add && isOp(add, 'Add')) {
    const index = add.inputs[0] === output ? 1 : 0
    const added = editor.constant(add.inputs[index])
    if (added?.dtype === 'float32' && added.size === bias.length && added.shape.at(-1) === added.size) {
      const sum = added.floats().map((value, o) => value + bias[o]!)
      editor.setConstant(add, index, Tensor.from('float32', added.shape, sum))
      return
    }
  }
  const product = editor.freshName(`${output}/product`)
  const constant = editor.addTensor(`${output}/shift`, Tensor.from('float32', [bias.length], Float32Array.from(bias)))
  editor.setOutput(node, 0, product)
  editor.addNode({ opType: 'Add', name: `${node.name}/shift`, inputs: [product, constant], outputs: [output] })
}

interface ConvParts {
  readonly part: SplitPart
  readonly groups: number
  readonly name: string
  readonly input: string
  readonly output: string
  readonly weight: Tensor
  readonly weightName: string
  readonly bias?: Float64Array
}

function convSpec(
  editor: GraphEditor,
  old: Node,
  { part, groups, name, input, output, weight, weightName, bias }: ConvParts,
): NodeSpec {
  const [top, left, bottom, right] = part.pads
  const spatial = weight.shape.length - 2
  const attributes = {
    kernel_shape: intsAttr(part.kernel.slice(0, spatial)),
    strides: intsAttr(part.strides.slice(0, spatial)),
    dilations: intsAttr(part.dilations.slice(0, spatial)),
    pads: intsAttr(spatial === 1 ? [top, bottom] : [top, left, bottom, right]),
    group: intAttr(groups),
  }
  const inputs = [input, editor.addTensor(weightName, weight)]
  if (bias)
    inputs.push(editor.addTensor(`${old.name}/bias`, Tensor.from('float32', [bias.length], Float32Array.from(bias))))
  return { opType: 'Conv', name, inputs, outputs: [output], attributes }
}

function shapeOf(outputs: number, inputs: number, { kernel }: SplitPart, dims: number): number[] {
  return [outputs, inputs, ...kernel.slice(0, dims - 2)]
}

function concatenated(parts: readonly ArrayLike<number>[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** H [(output, position), rank] as a weight [output, rank, position]. */
function rankBeforePosition(second: Matrix, across: number): Float64Array {
  const rank = second.columns
  const outputs = second.rows / across
  const data = new Float64Array(second.data.length)
  for (let o = 0; o < outputs; o++)
    for (let b = 0; b < across; b++)
      for (let r = 0; r < rank; r++) data[(o * rank + r) * across + b] = second.data[(o * across + b) * rank + r]!
  return data
}

function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j]!
  return result
}

/** Shift of a layer's output that makes its mean right: mean of y − W·mean of x, for all groups. */
export function biasFor(
  geometry: LayerGeometry,
  kernels: readonly Matrix[],
  means: readonly { readonly meanX: Float64Array; readonly meanY: Float64Array }[],
): Float64Array {
  const bias = new Float64Array(geometry.groups * geometry.outputsPerGroup)
  for (const [group, kernel] of kernels.entries()) {
    const { meanX, meanY } = means[group] ?? { meanX: new Float64Array(0), meanY: new Float64Array(0) }
    for (let o = 0; o < kernel.rows; o++) {
      let sum = meanY[o]!
      for (let i = 0; i < kernel.columns; i++) sum -= kernel.data[o * kernel.columns + i]! * meanX[i]!
      bias[group * geometry.outputsPerGroup + o] = sum
    }
  }
  return bias
}
