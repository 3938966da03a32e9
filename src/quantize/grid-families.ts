// Grids one at a time: what shares a grid, and a plan that has only some of them.
import { type Node, nodeName } from '../onnx/index.ts'
import type { Plan } from './plan.ts'

/** Values that share a grid, and what becomes integer because they have one. */
export interface GridFamily {
  readonly values: readonly string[]
  /** Names of the layers that read it. */
  readonly consumers: readonly string[]
  /** Names of the layers that stay float without it: those that read it, and those that can only write behind a grid. */
  readonly layers: readonly string[]
}

/** The families of a plan, in the order of the graph. */
export function gridFamilies(plan: Plan, nodes: readonly Node[]): GridFamily[] {
  const { tensors, layers, integer } = plan.placement
  const values = new Map<string, string[]>()
  for (const { value, gridOf } of tensors.values()) values.set(gridOf, [...(values.get(gridOf) ?? []), value])
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const consumers = new Map<string, string[]>()
  for (const node of nodes) {
    if (!layers.has(nodeName(node))) continue
    const input = node.inputs[0] ?? ''
    consumers.set(input, [...(consumers.get(input) ?? []), nodeName(node)])
  }
  /** The layer whose result a value is, seen through the bias and the activation that are fused into it. */
  const maker = (value: string): string | undefined => {
    let node = makers.get(value)
    for (let step = 0; step < 2 && node && !integer.has(nodeName(node)); step++)
      node = node.inputs.map((input) => makers.get(input)).find((before) => before !== undefined)
    return node && layers.has(nodeName(node)) ? nodeName(node) : undefined
  }
  return [...values.values()].map((own) => {
    const reading = own.flatMap((value) => consumers.get(value) ?? [])
    const making = own.map(maker).filter((name) => name !== undefined)
    return { values: own, consumers: reading, layers: [...new Set([...reading, ...making])] }
  })
}

/** The plan with the grids of some families alone, and the weights of the layers that read them. */
export function planOfFamilies(plan: Plan, families: readonly GridFamily[]): Plan {
  const values = new Set(families.flatMap((family) => family.values))
  const consumers = new Set(families.flatMap((family) => family.consumers))
  return {
    ...plan,
    activations: new Map([...plan.activations].filter(([value]) => values.has(value))),
    weights: new Map([...plan.weights].filter(([name]) => consumers.has(name))),
  }
}
