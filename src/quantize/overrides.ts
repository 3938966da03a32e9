// What somebody says of single tensors: their type, range, symmetry, or that they stay float.
import { nearestWord, UnsupportedError, UsageError } from '../base/index.ts'
import type { QuantType } from '../math/index.ts'
import { type Node, nodeName } from '../onnx/index.ts'
import { namePattern } from './select.ts'
import type { Target } from './targets/target.ts'

/** What is said of a tensor. */
export interface Override {
  /** The value, or the weight of the layer, stays float. */
  readonly float?: boolean | undefined
  /** Lowest and highest value of its grid, instead of what samples showed. */
  readonly range?: readonly number[] | undefined
  /** Type of a value's codes; int8 and int4 are said of layers, too, or of their weights. */
  readonly type?: Exclude<QuantType, 'uint4'> | undefined
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

/** What has integers: a placement. */
interface Placed {
  readonly layers: ReadonlySet<string>
  readonly tensors: ReadonlyMap<string, unknown>
  readonly target: Target
}

/** Types of weights. */
const WEIGHTS: readonly (string | undefined)[] = ['int8', 'int4']

/**
 * Is every type one that its tensor can have?
 * @throws UsageError for a type that fits nothing with a grid, UnsupportedError for one that the target does not have
 */
export function checkTypes(
  overrides: Overrides | undefined,
  nodes: readonly Node[],
  { layers, tensors, target }: Placed,
): void {
  const { types } = target.activations
  const weights = new Set(nodes.flatMap((node) => (layers.has(nodeName(node)) ? [nodeName(node), node.inputs[1]] : [])))
  for (const [pattern, { type }] of Object.entries(overrides ?? {})) {
    if (type === undefined) continue
    const fits = namePattern(pattern)
    const values = [...tensors.keys()].filter((value) => fits(value))
    const ofWeights = WEIGHTS.includes(type) && [...weights].some((name) => name !== undefined && fits(name))
    if (values.length > 0 && type !== 'int4' && !types.includes(type))
      throw new UnsupportedError(
        `--overrides "${pattern}" asks for ${type}, and values of ${target.name} can be ${types.join(', ')}`,
        { tensor: values[0] ?? pattern },
      )
    if (ofWeights || (values.length > 0 && type !== 'int4')) continue
    throw new UsageError(
      `--overrides "${pattern}" asks for ${type}, and fits no ${type === 'int4' ? 'layer' : 'value'} that gets ${type === 'int4' ? 'integer weights' : 'a grid'}: values can be ${types.join(', ')}, weights of integer layers int8 or int4`,
    )
  }
}
