// Fused activations as arithmetic.
import { floatAttribute, intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { CONTRIBUTED, type Expansions, single } from './fused.ts'

/** x·Φ(x) by the error function. */
function gelu(g: Emitter, x: string): string {
  const twice = g.plus(g.unary('Erf', g.scaled(x, Math.SQRT1_2)), g.scalar(1))
  return g.times(g.scaled(x, 0.5), twice)
}

/** x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2. */
function tanhGelu(g: Emitter, x: string): string {
  const scale = Math.sqrt(2 / Math.PI)
  const inner = g.times(x, g.plus(g.scaled(g.times(x, x), scale * 0.044715), g.scalar(scale)))
  return g.times(g.scaled(x, 0.5), g.plus(g.unary('Tanh', inner), g.scalar(1)))
}

/** x·sigmoid(α·x). */
function swish(g: Emitter, x: string, alpha: number): string {
  return g.times(x, g.unary('Sigmoid', g.scaled(x, alpha)))
}

/** An input with the bias that may come behind it. */
function biased(g: Emitter, x: string | undefined, bias: string | undefined): string {
  return bias === undefined ? (x ?? '') : g.plus(x ?? '', bias)
}

/** A·B over the last two axes, operands transposed as a fused product says, times alpha. */
const fusedMatMul = single((g, { node, input }) => {
  const turned = (value: string, name: string): string => {
    const rank = g.dims(value).length
    const perm = [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]
    return rank > 1 && intAttribute(node, name, 0) === 1 ? g.transpose(value, perm) : value
  }
  const product = g.matMul(turned(input(0) ?? '', 'transA'), turned(input(1) ?? '', 'transB'))
  return g.scaled(product, floatAttribute(node, 'alpha', 1))
})

export const activationExpansions: Expansions = {
  [`${CONTRIBUTED}:Gelu`]: single((g, { input }) => gelu(g, input(0) ?? '')),
  [`${CONTRIBUTED}:BiasGelu`]: single((g, { input }) => gelu(g, biased(g, input(0), input(1)))),
  [`${CONTRIBUTED}:FastGelu`]: single((g, { input }) => tanhGelu(g, biased(g, input(0), input(1)))),
  [`${CONTRIBUTED}:QuickGelu`]: single((g, { node, input }) =>
    swish(g, input(0) ?? '', floatAttribute(node, 'alpha', 1.702)),
  ),
  ':Swish': single((g, { node, input }) => swish(g, input(0) ?? '', floatAttribute(node, 'alpha', 1))),
  [`${CONTRIBUTED}:FusedMatMul`]: (g, site) =>
    intAttribute(site.node, 'transBatchA', 0) + intAttribute(site.node, 'transBatchB', 0) > 0
      ? { because: 'it turns the axes of batches' }
      : fusedMatMul(g, site),
}
