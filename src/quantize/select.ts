// --exclude and --only: names, operator types, globs and regular expressions; a pattern that fits nothing is an error.
import { UsageError } from '../base/index.ts'
import { type Node, nodeName } from '../onnx/index.ts'

/** Does a node fit one of the patterns? */
export type Selector = (node: Node) => boolean

/**
 * Makes a selector and checks it against all nodes.
 * @throws UsageError naming a pattern that fits no node
 */
export function selector(patterns: readonly string[], nodes: readonly Node[], option: string): Selector {
  const tests = patterns.map((pattern) => {
    const expression = expressionOf(pattern)
    const test = (node: Node) => expression.test(nodeName(node)) || node.opType === pattern
    if (!nodes.some(test)) {
      const near = nodes.map(nodeName).filter((name) => name.toLowerCase().includes(pattern.toLowerCase().slice(0, 4)))
      const hint =
        near.length > 0 ? `near it are ${near.slice(0, 5).join(', ')}` : '`onnxpress inspect` lists the layers'
      throw new UsageError(`${option} "${pattern}" fits no node; ${hint}`)
    }
    return test
  })
  return (node) => tests.some((test) => test(node))
}

function expressionOf(pattern: string): RegExp {
  const slashed = /^\/(.*)\/$/.exec(pattern)
  if (slashed) {
    try {
      return new RegExp(slashed[1] ?? '')
    } catch (error) {
      throw new UsageError(`"${pattern}" is no regular expression: ${error instanceof Error ? error.message : error}`)
    }
  }
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  return new RegExp(`^${escaped}$`)
}
