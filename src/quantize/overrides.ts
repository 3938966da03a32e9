// What somebody says of single tensors: their range, symmetry, or that they stay float.
import { nearestWord, UsageError } from '../base/index.ts'
import { type Node, nodeName } from '../onnx/index.ts'
import { namePattern } from './select.ts'

/** What is said of a tensor. */
export interface Override {
  /** The value, or the weight of the layer, stays float. */
  readonly float?: boolean | undefined
  /** Lowest and highest value of its grid, instead of what samples showed. */
  readonly range?: readonly number[] | undefined
  /** A grid around 0. */
  readonly symmetric?: boolean | undefined
}

/** Names or patterns (`*`, `/regex/`) → what is said of the tensors that they fit; later ones add to earlier ones. */
export type Overrides = Readonly<Record<string, Override>>

/** What is said of each value and each node, by its name. @throws UsageError naming a pattern that fits none */
export function overridesOf(overrides: Overrides | undefined, nodes: readonly Node[]): Map<string, Override> {
  if (!overrides) return new Map()
  const names = new Set(nodes.flatMap((node) => [...node.inputs, ...node.outputs, nodeName(node)]))
  const all = [...names].filter((name) => name !== '')
  const found = new Map<string, Override>()
  for (const [pattern, override] of Object.entries(overrides)) {
    const fits = namePattern(pattern)
    const own = all.filter((name) => fits(name))
    if (own.length === 0) {
      const near = nearestWord(pattern, all)
      throw new UsageError(
        `--overrides "${pattern}" fits no tensor and no node${near ? `; did you mean ${near}?` : ''}: give names as the report shows them, or a pattern (* or /regex/)`,
      )
    }
    for (const name of own) found.set(name, { ...found.get(name), ...override })
  }
  return found
}
