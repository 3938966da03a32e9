// Values that only mask: what is far below zero in them ends in a Softmax, so float16 may hold another low number instead.
import { type Constants, consumersOf, type DType, type Graph, isOp, type Node, useOfMask } from '../../onnx/index.ts'

/** Low enough that exp of it beside any score is 0, and high enough that the sum of two or three of them is a float16. */
export const MASKED = -(2 ** 14)

/** Says of a value whether numbers beyond float16 in it may saturate at `MASKED`. */
export function maskedValues(
  graph: Graph,
  types: ReadonlyMap<string, DType>,
  constants: Constants,
): (value: string) => boolean {
  const consumers = consumersOf(graph.nodes)
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const known = new Map<string, boolean>()
  const masks = (value: string): boolean => {
    const answer = known.get(value)
    if (answer !== undefined) return answer
    // In a circle there would be no Softmax.
    known.set(value, false)
    const own = outputs.has(value) ? [] : (consumers.get(value) ?? [])
    const found = own.length > 0 && own.every((node) => endsInSoftmax(node, value))
    known.set(value, found)
    return found
  }
  const endsInSoftmax = (node: Node, value: string): boolean => {
    const use = useOfMask(node)
    if (use === 'absorbs') return true
    if (use === undefined || !masks(node.outputs[0] ?? '')) return false
    if (use === 'passes') return !isOp(node, 'Where') || node.inputs[0] !== value
    return node.inputs.every((input) => input === value || isWhole(input, { types, constants, producers }))
  }
  return masks
}

interface Known {
  readonly types: ReadonlyMap<string, DType>
  readonly constants: Constants
  readonly producers: ReadonlyMap<string, Node>
}

/** Holds a value whole numbers alone? Then a product with it is no mask by half. */
function isWhole(value: string, known: Known): boolean {
  const type = known.types.get(value)
  if (type !== undefined && !type.startsWith('float')) return true
  const tensor = known.constants(value)
  if (tensor) return tensor.numbers().every((each) => Number.isInteger(Number(each)))
  const node = known.producers.get(value)
  if (!node) return false
  const use = useOfMask(node)
  const keeps = use === 'passes' || use === 'scales' || isOp(node, 'Cast', 'Sub', 'Neg')
  return keeps && node.inputs.every((input) => input === '' || isWhole(input, known))
}
