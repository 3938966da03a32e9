// --exclude and --only: names, operator types, globs and regular expressions; a pattern that fits nothing is an error.
import picomatch from 'picomatch'
import { messageOf, UsageError } from '../base/index.ts'
import { type Node, nodeName } from '../onnx/index.ts'

/** Does a node fit one of the patterns? */
export type Selector = (node: Node) => boolean

/**
 * Makes a selector and checks it against all nodes.
 * @throws UsageError naming a pattern that fits no node
 */
export function selector(patterns: readonly string[], nodes: readonly Node[], option: string): Selector {
  const tests = patterns.map((pattern) => {
    const fits = namePattern(pattern)
    const test = (node: Node) => fits(nodeName(node)) || node.opType === pattern
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

/** Does a name fit? `/…/` is a regular expression, `*` any letters ("/" too: names of nodes are not paths), `?` one letter. */
export function namePattern(pattern: string): (name: string) => boolean {
  const slashed = /^\/(.*)\/$/.exec(pattern)
  if (!slashed) return picomatch(literalExceptStars(pattern), { bash: true, dot: true, windows: false })
  try {
    const expression = new RegExp(slashed[1] ?? '')
    return (name) => expression.test(name)
  } catch (error) {
    throw new UsageError(`"${pattern}" is not a regular expression: ${messageOf(error)}`)
  }
}

/** Brackets, braces and the like stand for themselves: they are part of many names. */
function literalExceptStars(pattern: string): string {
  return pattern.replace(/[^\w*?\s/.:,-]/g, '\\$&')
}
