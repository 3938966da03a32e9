// All gradient rules by operator. A new rule is a plain object and one entry in its family's list.
import { isOp, type Node } from '../../onnx/index.ts'
import type { GradientRule } from '../graph/rule.ts'
import { activationRules } from './activations.ts'
import { arithmeticRules } from './arithmetic.ts'
import { convRules } from './conv.ts'
import { einsumRules } from './einsum.ts'
import { FAKE_DOMAIN, fakeQuantRules } from './fake-quant.ts'
import { indexedRules } from './indexed.ts'
import { matrixRules } from './matrix.ts'
import { movementRules } from './movement.ts'
import { normRules } from './norm.ts'
import { poolRules } from './pools.ts'
import { reduceRules } from './reduce.ts'
import { resizeRules } from './resize.ts'
import { softmaxRules } from './softmax.ts'

export const gradientRules: readonly GradientRule[] = [
  ...convRules,
  ...matrixRules,
  ...einsumRules,
  ...arithmeticRules,
  ...activationRules,
  ...softmaxRules,
  ...poolRules,
  ...normRules,
  ...reduceRules,
  ...movementRules,
  ...indexedRules,
  ...resizeRules,
]

const table = new Map<string, GradientRule>()
for (const rule of gradientRules) {
  if (table.has(rule.op)) throw new Error(`the gradient of ${rule.op} is listed twice`)
  table.set(rule.op, rule)
}
const fakes = new Map(fakeQuantRules.map((rule) => [rule.op, rule]))

/** The gradient rule of a node; fake quantisation, this module's own operator, has its own domain. */
export function gradientRuleOf(node: Node): GradientRule | undefined {
  if (node.domain === FAKE_DOMAIN) return fakes.get(node.opType)
  return isOp(node, node.opType) ? table.get(node.opType) : undefined
}
