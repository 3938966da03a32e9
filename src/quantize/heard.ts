// What the readers of a value can hear: far below 0 a Swish gives 0 whatever its input, and a grid need not reach there.
import {
  type Bounds,
  type Constants,
  type Consumers,
  capturesOf,
  clipBounds,
  constantsOf,
  consumersOf,
  factsOf,
  type Graph,
  isOp,
  type Node,
  subgraphsOf,
  type Tensor,
} from '../onnx/index.ts'
import { functionOf } from './expectation/functions.ts'

/** Ends beyond which nothing is heard, for values between two ends. */
export type Heard = (low: number, high: number) => Bounds

/** Nodes that are looked through at most; the usual forms of activations have eight or fewer. */
const MOST_NODES = 16
/** Places between the ends where the readers' functions are compared. */
const PLACES = 2048
/** What is not heard, as a share of the 8-bit step of the function's own result. */
const UNHEARD = 1 / 16
const CODES = 255

/** A function of one number. */
export type Scalar = (x: number) => number

export interface Surroundings {
  readonly consumers: Consumers
  readonly constants: Constants
  /** What is read elsewhere, too: the graph's outputs, and what sub-graphs capture. */
  readonly outputs: ReadonlySet<string>
}

/** What is looked at around a value; sub-graphs read it as the outside does. */
export function surroundingsOf(graph: Graph): Surroundings {
  const captured = graph.nodes.flatMap((node) => subgraphsOf(node).flatMap((inner) => [...capturesOf(inner)]))
  return {
    consumers: consumersOf(graph.nodes),
    constants: constantsOf(graph),
    outputs: new Set([...graph.outputs.map(({ name }) => name), ...captured]),
  }
}

/**
 * What is heard of a value through the element-wise functions that alone read it: Sigmoid and its product, HardSwish in any form,
 * an erf … Everything that leaves them is a function of the one number; where all of these are flat, the number does not matter.
 * @returns undefined when something reads the value itself
 */
export function heardOf(value: string, around: Surroundings): Heard | undefined {
  const functions = functionsBehind(value, around)
  if (!functions) return undefined
  return (low, high) => audible(functions, Math.min(low, 0), Math.max(high, 0))
}

/** The one function of a value that its readers make of it, element by element; undefined when something reads the value itself. */
export function readingOf(value: string, around: Surroundings): Scalar | undefined {
  const functions = functionsBehind(value, around)
  return functions?.length === 1 ? functions[0] : undefined
}

/** The functions of a value that others than element-wise nodes read. */
function functionsBehind(value: string, { consumers, constants, outputs }: Surroundings): Scalar[] | undefined {
  const known = new Map<string, Scalar>([[value, (x) => x]])
  const inside = new Set<Node>()
  // A product waits for both its operands: rounds, until nothing is added.
  for (let grown = true; grown; ) {
    grown = false
    for (const name of [...known.keys()])
      for (const node of consumers.get(name) ?? []) {
        const f = inside.has(node) || inside.size >= MOST_NODES ? undefined : scalarOf(node, known, constants)
        if (!f) continue
        inside.add(node)
        known.set(node.outputs[0] ?? '', f)
        grown = true
      }
  }
  const leaving = [...known].filter(
    ([name]) => outputs.has(name) || (consumers.get(name) ?? []).some((node) => !inside.has(node)),
  )
  if (leaving.length === 0 || leaving.some(([name]) => name === value)) return undefined
  return leaving.map(([, f]) => f)
}

const binary: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
}

/** A node's result as a function of the one number, when all its operands are. */
function scalarOf(node: Node, known: ReadonlyMap<string, Scalar>, constants: Constants): Scalar | undefined {
  const operand = (name: string): Scalar | undefined => {
    const tensor = constants(name)
    if (!tensor) return known.get(name)
    const number = tensor.dtype === 'float32' ? oneNumber(node, tensor) : undefined
    return number === undefined ? undefined : () => number
  }
  const [first, second] = node.inputs.map(operand)
  if (!first) return undefined
  const both = isOp(node, node.opType) ? binary[node.opType] : undefined
  if (both) return second && node.inputs.length === 2 ? (x) => both(first(x), second(x)) : undefined
  if (isOp(node, 'Relu')) return (x) => Math.max(first(x), 0)
  if (isOp(node, 'Clip')) {
    const bounds = clipBounds(node, constants)
    return bounds && ((x) => Math.min(Math.max(first(x), bounds.low), bounds.high))
  }
  const f = factsOf(node).elementwise && node.inputs.length === 1 ? functionOf(node) : undefined
  return f && ((x) => f(first(x)))
}

/** A constant as one number. Factors of one sign for each channel stretch a function and leave it flat where it is flat: the first stands for all. */
function oneNumber(node: Node, tensor: Tensor): number | undefined {
  if (tensor.size > 1 && !isOp(node, 'Mul', 'Div')) return undefined
  const values = tensor.floats()
  const [first] = values
  return first === undefined || values.length === 1 || values.every((x) => x * first > 0) ? first : undefined
}

/** The ends between which a function is not flat, the widest of several. */
function audible(functions: readonly Scalar[], low: number, high: number): Bounds {
  const free = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  if (!(low < high)) return free
  const at = (place: number) => low + ((high - low) * place) / PLACES
  const ends = functions.map((f): Bounds => {
    const results = Float64Array.from({ length: PLACES + 1 }, (_, place) => f(at(place)))
    if (!results.every(Number.isFinite)) return free
    const [least, most] = results.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [results[0]!, results[0]!])
    const small = (UNHEARD * (most - least)) / CODES
    return { low: at(flat(results, small)), high: at(PLACES - flat(results.toReversed(), small)) }
  })
  return { low: Math.min(...ends.map((end) => end.low)), high: Math.max(...ends.map((end) => end.high)) }
}

/** The last place up to which no result is further than a little from that of this place. */
function flat(results: Float64Array, small: number): number {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let last = 0
  for (const [place, y] of results.entries()) {
    least = Math.min(least, y)
    most = Math.max(most, y)
    if (most - least > 2 * small) break
    if (Math.max(most - y, y - least) <= small) last = place
  }
  return last
}
