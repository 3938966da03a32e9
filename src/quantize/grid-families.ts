// Grids one at a time: what shares a grid, and a plan that has only some of them.
import type { Node } from '../onnx/index.ts'
import type { Plan } from './plan.ts'

/** Values that share a grid, and what becomes integer because they have one. */
export interface GridFamily {
  readonly values: readonly string[]
  /** Layers that read it. */
  readonly consumers: readonly Node[]
  /** Layers that stay float without it: those that read it, and those that can only write behind a grid. */
  readonly layers: readonly Node[]
}

/** The families of a plan, in the order of the graph. */
export function gridFamilies(plan: Plan, nodes: readonly Node[]): GridFamily[] {
  const { tensors, layers, integer } = plan.placement
  const values = new Map<string, string[]>()
  for (const { value, gridOf } of tensors.values()) values.set(gridOf, [...(values.get(gridOf) ?? []), value])
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const consumers = new Map<string, Node[]>()
  for (const node of layers.keys()) {
    const input = node.inputs[0] ?? ''
    consumers.set(input, [...(consumers.get(input) ?? []), node])
  }
  /** The layer whose result a value is, seen through the bias and the activation that are fused into it. */
  const maker = (value: string): Node | undefined => {
    let node = makers.get(value)
    for (let step = 0; step < 2 && node && !integer.has(node); step++)
      node = node.inputs.map((input) => makers.get(input)).find((before) => before !== undefined)
    return node && layers.has(node) ? node : undefined
  }
  return [...values.values()].map((own) => {
    const reading = own.flatMap((value) => consumers.get(value) ?? [])
    const making = own.map(maker).filter((node) => node !== undefined)
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
    weights: new Map([...plan.weights].filter(([node]) => consumers.has(node))),
  }
}
