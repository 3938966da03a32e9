// Multiply-accumulates of operators whose factors need not be constants, by the sizes of what they read and give.
import { sizeOf } from '../../base/index.ts'
import { intAttribute, stringAttribute } from '../attributes.ts'
import type { Node } from '../model.ts'

type Dims = readonly number[] | undefined

/** What a rule knows of a node: dims of its inputs and outputs, undefined where they were not observed. */
interface Site {
  readonly node: Node
  readonly inputs: (index: number) => Dims
  readonly outputs: (index: number) => Dims
}

type Rule = (site: Site) => number | undefined

/** a·b: every number of the output is a sum over the last axis of a. */
const product =
  (inner: (a: readonly number[], node: Node) => number | undefined): Rule =>
  ({ node, inputs, outputs }) => {
    const [a, y] = [inputs(0), outputs(0)]
    const length = a && inner(a, node)
    return y && length !== undefined ? sizeOf(y) * length : undefined
  }

const lastAxis = product((a) => a.at(-1))
const gemm = product((a, node) => a[intAttribute(node, 'transA', 0) === 1 ? 0 : 1])
const fusedMatMul = product((a, node) => a.at(intAttribute(node, 'transA', 0) === 1 ? -2 : -1))

/** Weight [M, C/g, …]: each output number is a sum over a kernel. */
const convolution =
  (weight: number): Rule =>
  ({ inputs, outputs }) => {
    const [w, y] = [inputs(weight), outputs(0)]
    return w && y ? sizeOf(y) * sizeOf(w.slice(1)) : undefined
  }

/** Weight [C, M/g, …]: each input number goes into a kernel of outputs. */
const transposedConvolution: Rule = ({ inputs }) => {
  const [x, w] = [inputs(0), inputs(1)]
  return x && w ? sizeOf(x) * sizeOf(w.slice(1)) : undefined
}

/** W [directions, gates·hidden, inputs] and R [directions, gates·hidden, hidden] at each step of each sample. */
const recurrent: Rule = ({ inputs }) => {
  const [x, w, r] = [inputs(0), inputs(1), inputs(2)]
  if (!x || !w || !r) return undefined
  return (x[0] ?? 1) * (x[1] ?? 1) * (sizeOf(w) + sizeOf(r))
}

/** Every choice of all indices is one multiplication. */
const einsum: Rule = ({ node, inputs }) => {
  const [left = ''] = stringAttribute(node, 'equation', '').replaceAll(' ', '').split('->')
  const terms = left.split(',')
  if (terms.length < 2 || left.includes('.')) return undefined
  const sizes = new Map<string, number>()
  for (const [index, term] of terms.entries()) {
    const dims = inputs(index)
    if (!dims) return undefined
    for (const [axis, letter] of [...term].entries())
      sizes.set(letter, Math.max(dims[axis] ?? 1, sizes.get(letter) ?? 1))
  }
  return sizeOf([...sizes.values()])
}

/** Queries [batch, length, width] against keys of as many rows, and their weights against values: two products. */
const attentionOf = (queries: Dims, keys: Dims): number | undefined =>
  queries && keys && queries.length === 3 && keys.length === 3 ? 2 * sizeOf(queries) * (keys[1] ?? 1) : undefined

/** The fused attention of BERT: one weight [inputs, 3·width] makes queries, keys and values. */
const attention: Rule = ({ inputs }) => {
  const [x, w] = [inputs(0), inputs(1)]
  if (!x || !w || x.length !== 3) return undefined
  const made: Dims = [x[0] ?? 1, x[1] ?? 1, (w[1] ?? 0) / 3]
  const scores = attentionOf(made, made)
  return scores === undefined ? undefined : (x[0] ?? 1) * (x[1] ?? 1) * sizeOf(w) + scores
}

const multiHead: Rule = ({ inputs }) => attentionOf(inputs(0), inputs(1))

/** Queries [batch, heads, length, width] as well. */
const standardAttention: Rule = ({ inputs }) => {
  const [q, k] = [inputs(0), inputs(1)]
  if (q?.length === 4 && k?.length === 4) return 2 * sizeOf(q) * (k[2] ?? 1)
  return attentionOf(q, k)
}

const own: Readonly<Record<string, Rule>> = {
  MatMul: lastAxis,
  Gemm: gemm,
  Conv: convolution(1),
  ConvTranspose: transposedConvolution,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  Einsum: einsum,
  Attention: standardAttention,
  MatMulInteger: lastAxis,
  QLinearMatMul: lastAxis,
  ConvInteger: convolution(1),
  QLinearConv: convolution(3),
}

const contributed: Readonly<Record<string, Rule>> = {
  FusedMatMul: fusedMatMul,
  FusedGemm: gemm,
  FusedConv: convolution(1),
  MatMulNBits: lastAxis,
  MatMulBnb4: lastAxis,
  MatMulIntegerToFloat: lastAxis,
  DynamicQuantizeMatMul: lastAxis,
  DynamicQuantizeLSTM: ({ inputs }) => {
    const [x, w, r] = [inputs(0), inputs(1), inputs(2)]
    return x && w && r ? (x[0] ?? 1) * (x[1] ?? 1) * (sizeOf(w) + sizeOf(r)) : undefined
  },
  QGemm: gemm,
  Attention: attention,
  QAttention: attention,
  MultiHeadAttention: multiHead,
  GroupQueryAttention: multiHead,
}

/** Does an operator multiply and accumulate, and how often: undefined as a number where sizes are not known. */
export function productsOf(
  node: Node,
  inputs: (index: number) => Dims,
  outputs: (index: number) => Dims,
): { readonly macs: number | undefined } | undefined {
  const rules =
    node.domain === '' || node.domain === 'ai.onnx' ? own : node.domain === 'com.microsoft' ? contributed : {}
  if (!Object.hasOwn(rules, node.opType)) return undefined
  return { macs: rules[node.opType]?.({ node, inputs, outputs }) }
}
