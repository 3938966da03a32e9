// Nodes that only depend on constants become initialisers, so that every weight is found where weights are looked for.
import { constantOf, isOp, type Node, nodeName, opsetOf, type Tensor } from '../onnx/index.ts'
import { computeRules } from './constants/compute.ts'
import { moveRules } from './constants/move.ts'
import { setOrigin } from './constants/origins.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

const rules = { ...moveRules, ...computeRules }

/**
 * Turns Constant nodes, and nodes whose inputs are all constant, into initialisers. Exact.
 * 1. Constant, ConstantOfShape, Identity, Cast, Shape, Size; 2. moves: Reshape, Flatten, Transpose, Squeeze, Unsqueeze,
 * Gather, Concat, Slice, Expand; 3. element by element: Add, Sub, Mul, Div, Sqrt, Neg, Reciprocal, Abs.
 * Other operators, graph outputs and results above 2^24 elements (ConstantOfShape of a huge shape) are left alone.
 */
export const foldConstants: Rewrite = defineRewrite({
  name: 'fold-constants',
  kind: 'exact',
  summary: 'turns what depends on constants alone into initialisers',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const { initializers } = editor.graph
      const folded = new Map<string, string[]>()
      const evaluate = evaluator(opsetOf(model))
      const note = (node: Node) => folded.set(node.opType, [...(folded.get(node.opType) ?? []), nodeName(node)])
      // Graph order: a node's constant inputs are folded before it.
      for (const node of editor.nodes()) {
        const [output] = node.outputs
        if (!output || node.outputs.length !== 1 || editor.isOutput(output)) continue
        const inputs = node.inputs.map((name) => initializers.get(name))
        if (!isOp(node, 'Constant') && (node.inputs.length === 0 || node.inputs.some((name, i) => name && !inputs[i])))
          continue
        const value = evaluate(node, inputs)
        if (!value) {
          if (node.opType in rules)
            log.left(node, 'its value is too large, not defined, or of a type that is not computed here')
          continue
        }
        // Readers of a copied constant read the original: the file should not hold it twice.
        if (isOp(node, 'Identity') && editor.bypass(node)) {
          note(node)
          continue
        }
        editor.removeNode(node)
        initializers.set(output, value)
        note(node)
      }
      for (const [op, names] of folded) log.changes.push(`${names.length} ${op} became constants: ${shortList(names)}`)
    }),
})

/** Computes nodes on constants; the same node on the same constants gives the same tensor, which is stored once. */
function evaluator(opset: number) {
  const known = new Map<string, Tensor>()
  const numbers = new Map<Tensor, number>()
  const numberOf = (tensor: Tensor | undefined) => {
    if (!tensor) return ''
    if (!numbers.has(tensor)) numbers.set(tensor, numbers.size)
    return numbers.get(tensor)
  }
  return (node: Node, inputs: readonly (Tensor | undefined)[]): Tensor | undefined => {
    if (isOp(node, 'Constant')) return constantOf(node)
    const rule = isOp(node, node.opType) && Object.hasOwn(rules, node.opType) ? rules[node.opType] : undefined
    const plain = [...node.attributes].every(([, { type }]) => type === 'int' || type === 'ints')
    const key = plain ? [node.opType, printAttributes(node), ...inputs.map(numberOf)].join() : undefined
    const value = (key === undefined ? undefined : known.get(key)) ?? rule?.(node, inputs)
    if (!value) return undefined
    if (key !== undefined) known.set(key, value)
    if (!inputs.includes(value)) setOrigin(value, { node, inputs, opset })
    return value
  }
}

function printAttributes({ attributes }: Node): string {
  return [...attributes]
    .map(([name, attribute]) => `${name}=${'value' in attribute ? attribute.value : ''}`)
    .sort()
    .join(' ')
}

function shortList(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} …` : names.join(', ')
}
