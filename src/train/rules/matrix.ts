// Gemm and MatMul.
import { floatAttribute, intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, type GradientRule } from '../graph/rule.ts'

/** Y = α·A'·B' + β·C, A' and B' transposed or not: dA' = α·dY·B'ᵀ, dB' = α·A'ᵀ·dY, dC = β·ΣdY. */
const gemm: GradientRule = defineGradient({
  op: 'Gemm',
  build: (g, { node, inputs, dY }) => {
    const [a = '', b = '', c = ''] = inputs
    const alpha = floatAttribute(node, 'alpha', 1)
    const transA = intAttribute(node, 'transA', 0) === 1
    const transB = intAttribute(node, 'transB', 0) === 1
    return [
      () =>
        transA ? g.gemm(b, dY, { transA: transB, transB: true, alpha }) : g.gemm(dY, b, { transB: !transB, alpha }),
      () =>
        transB ? g.gemm(dY, a, { transA: true, transB: transA, alpha }) : g.gemm(a, dY, { transA: !transA, alpha }),
      () => g.scaled(g.sumTo(dY, g.dims(c)), floatAttribute(node, 'beta', 1)),
    ]
  },
})

/** Y = A·B with broadcasting over leading axes: dA = dY·Bᵀ, dB = Aᵀ·dY, summed over what was broadcast. */
const matMul: GradientRule = defineGradient({
  op: 'MatMul',
  build: (g, { inputs, dY }) => {
    const [a = '', b = ''] = inputs
    const [dimsA, dimsB] = [g.dims(a), g.dims(b)]
    // A vector on the left is a row, on the right a column; the product has no axis for it.
    const left = dimsA.length === 1 ? g.reshape(a, [1, ...dimsA]) : a
    const right = dimsB.length === 1 ? g.reshape(b, [...dimsB, 1]) : b
    const lead = g.dims(dY).slice(0, g.dims(dY).length - (dimsA.length === 1 ? 0 : 1) - (dimsB.length === 1 ? 0 : 1))
    const gradient = g.reshape(dY, [...lead, g.dims(left).at(-2) ?? 1, g.dims(right).at(-1) ?? 1])
    return [
      () => g.reshape(g.sumTo(g.matMul(gradient, right, { transB: true }), g.dims(left)), dimsA),
      () => g.reshape(rightGradient(g, left, gradient, g.dims(right)), dimsB),
    ]
  },
})

/** A matrix on the right of many rows: one product over all of them instead of one a row, and a sum. */
function rightGradient(g: Emitter, left: string, dY: string, dims: readonly number[]): string {
  if (dims.length > 2 || g.dims(left).length === 2) return g.sumTo(g.matMul(left, dY, { transA: true }), dims)
  const [inner = 1, outer = 1] = dims
  const rows = g.size(dY) / outer
  return g.gemm(g.reshape(left, [rows, inner]), g.reshape(dY, [rows, outer]), { transA: true })
}

export const matrixRules: readonly GradientRule[] = [gemm, matMul]
