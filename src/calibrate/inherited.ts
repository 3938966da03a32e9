// Which values must be looked at for NaN: those that do not get all they are from values that are looked at already.
import { constantsOf, factsOf, isFloat, type Model, type Node, type Tensor } from '../onnx/index.ts'
import { typesOf } from '../runtime/index.ts'

/**
 * Up to this magnitude a weight times a value, summed over any layer, stays far inside float32 (1e15 · 1e15 · 1e6 < 3e38),
 * so a sum cannot overflow to infinity and an infinity cannot become NaN.
 */
export const TAME = 1e15

/**
 * Of the watched values those that can be NaN or infinite although every other watched value is tame: a Conv, Relu or Add of
 * tame values is finite, a Sqrt or Div may not be. Between two watched values at most one operator may multiply.
 */
export function firstToFail(model: Model, watched: ReadonlySet<string>): Set<string> {
  const constants = constantsOf(model.graph)
  const types = typesOf(model)
  const producers = new Map<string, Node>()
  for (const node of model.graph.nodes) for (const output of node.outputs) producers.set(output, node)
  const tameConstants = new Map<Tensor, boolean>()

  const isTame = (tensor: Tensor): boolean => {
    const answer = tameConstants.get(tensor) ?? (tensor.dtype === 'float32' && tameSum(tensor.floats()))
    tameConstants.set(tensor, answer)
    return answer
  }
  const follows = (node: Node, multiplied: boolean): boolean => {
    const facts = factsOf(node)
    if (!facts.keepsFinite) return false
    if (facts.keepsFinite === 'multiplies' && multiplied) return false
    const after = multiplied || facts.keepsFinite === 'multiplies'
    return node.inputs.every((input) => input === '' || inherits(input, after))
  }
  const known = new Map<string, boolean>()
  const inherits = (value: string, multiplied: boolean): boolean => {
    const type = types.get(value)
    if (watched.has(value) || (type !== undefined && !isFloat(type))) return true
    const constant = constants(value)
    if (constant) return isTame(constant)
    const key = `${multiplied} ${value}`
    const node = producers.get(value)
    const answer = known.get(key) ?? (node !== undefined && follows(node, multiplied))
    known.set(key, answer)
    return answer
  }
  return new Set(
    [...watched].filter((value) => {
      const node = producers.get(value)
      return node === undefined || !follows(node, false)
    }),
  )
}

function tameSum(values: Float32Array): boolean {
  let sum = 0
  for (const value of values) sum += Math.abs(value)
  return sum <= TAME
}
