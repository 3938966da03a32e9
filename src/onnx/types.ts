// Types of values, from what is declared and from what the operators say. What nobody says is not known, and never guessed.
import { type Attribute, allInputs, type Graph, type Node, type ValueInfo } from './model.ts'
import { type Bodies, factsOf, isListed } from './ops/index.ts'
import type { ValueType } from './value-type.ts'

/**
 * Types of the values of a graph: those that are declared, constants, and what follows from them by the operators' facts and
 * by the graphs inside nodes. A value of another domain's operator that is not declared has none.
 * @param outer types of what the graph takes from around it
 * @param given types of the graph's own inputs, where they declare none
 */
export function inferTypes(
  graph: Graph,
  outer: (value: string) => ValueType | undefined = () => undefined,
  given: readonly (ValueType | undefined)[] = [],
): Map<string, ValueType> {
  const types = new Map<string, ValueType>()
  for (const value of [...allInputs(graph), ...graph.valueInfo.values(), ...graph.outputs]) {
    const type = declaredType(value)
    if (type) types.set(value.name, type)
  }
  for (const [index, { name }] of graph.inputs.entries()) {
    const type = given[index]
    if (type && !types.has(name)) types.set(name, type)
  }
  for (const [name, { dtype }] of graph.initializers) types.set(name, { dtype, inside: [] })
  const typeOf = (value: string) => types.get(value) ?? outer(value)
  for (const node of graph.nodes) {
    const bodies = bodiesOf(node, typeOf)
    for (const [index, output] of node.outputs.entries()) {
      if (output === '' || types.has(output)) continue
      const type = outputType(node, index, typeOf, bodies)
      if (type) types.set(output, type)
    }
  }
  return types
}

type TypeOf = (value: string) => ValueType | undefined

function outputType(node: Node, index: number, typeOf: TypeOf, bodies: Bodies): ValueType | undefined {
  if (!isListed(node)) return undefined
  const facts = factsOf(node)
  const inputs = (input: number) => typeOf(node.inputs[input] ?? '')
  if (facts.type) return facts.type(node, index, inputs, bodies)
  const dtypes = (input: number) => (inputs(input)?.inside.length === 0 ? inputs(input)?.dtype : undefined)
  const dtype = facts.dtype ? facts.dtype(node, index, dtypes) : dtypes(0)
  return dtype === undefined ? undefined : { dtype, inside: [] }
}

/** Each body is gone through once, and only when it does not declare what it gives. */
function bodiesOf(node: Node, typeOf: TypeOf): Bodies {
  const known = new Map<string, readonly (ValueType | undefined)[]>()
  return (name, given) => {
    const types = known.get(name) ?? bodyOutputs(node.attributes.get(name), typeOf, given)
    known.set(name, types)
    return types
  }
}

function bodyOutputs(
  attribute: Attribute | undefined,
  typeOf: TypeOf,
  given: readonly (ValueType | undefined)[] | undefined,
): readonly (ValueType | undefined)[] {
  if (attribute?.type !== 'graph') return []
  const { outputs } = attribute.value
  const declared = outputs.map(declaredType)
  if (declared.every((type) => type !== undefined)) return declared
  const inner = inferTypes(attribute.value, typeOf, given)
  return outputs.map(({ name }) => inner.get(name) ?? typeOf(name))
}

/** The type that a value is declared with. */
export function declaredType({ dtype, container }: ValueInfo): ValueType | undefined {
  return container ?? (dtype === undefined ? undefined : { dtype, inside: [] })
}

/** Values of a graph that are not tensors: they can be neither fed nor read nor kept, only computed again. */
export function containersOf(graph: Graph): Set<string> {
  const types = inferTypes(graph)
  return new Set([...types].filter(([, { inside }]) => inside.length > 0).map(([name]) => name))
}
