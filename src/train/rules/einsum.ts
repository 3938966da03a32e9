// Einsum: the gradient of an operand is an Einsum of the others with the output's.
import { UnsupportedError } from '../../base/index.ts'
import { nodeName, stringAttr, stringAttribute } from '../../onnx/index.ts'
import { defineGradient, type GradientRule } from '../graph/rule.ts'

/** Letters of the operands and of the output; without "->" those that stand once, in order. */
function termsOf(equation: string): { readonly operands: string[]; readonly output: string } {
  const [left = '', right] = equation.replaceAll(' ', '').split('->')
  const once = [...new Set(left.replaceAll(',', ''))].filter((letter) => left.split(letter).length === 2)
  return { operands: left.split(','), output: right ?? once.sort().join('') }
}

/** dA = Einsum(dY, others) over the letters that they have, repeated along those of A that were only summed over. */
const einsum: GradientRule = defineGradient({
  op: 'Einsum',
  build: (g, { node, inputs, dY }) => {
    const equation = stringAttribute(node, 'equation', '')
    const { operands, output } = termsOf(equation)
    if (equation.includes('.') || operands.some((term) => new Set(term).size < term.length))
      throw new UnsupportedError(
        `cannot train through node "${nodeName(node)}" (Einsum): "${equation}" has an ellipsis or a diagonal`,
        { node: nodeName(node), op: node.opType },
      )
    return inputs.map((input, index) => () => {
      const term = operands[index] ?? ''
      const dims = g.dims(input)
      const others = inputs.filter((_, i) => i !== index)
      const terms = [output, ...operands.filter((_, i) => i !== index)]
      const sizes = new Map<string, number>()
      for (const [i, value] of [dY, ...others].entries())
        for (const [axis, letter] of [...(terms[i] ?? '')].entries())
          sizes.set(letter, Math.max(sizes.get(letter) ?? 1, g.dims(value)[axis] ?? 1))
      const shared = [...term].filter((letter) => sizes.has(letter))
      const made = g.add(
        'Einsum',
        [dY, ...others],
        shared.map((letter) => sizes.get(letter) ?? 1),
        {
          equation: stringAttr(`${terms.join()}->${shared.join('')}`),
        },
      )
      const kept = [...term].map((letter) => sizes.get(letter) ?? 1)
      const repeated = [...term].map((letter, axis) => sizes.get(letter) ?? dims[axis] ?? 1)
      return g.sumTo(g.expand(g.reshape(made, kept), repeated), dims)
    })
  },
})

export const einsumRules: readonly GradientRule[] = [einsum]
