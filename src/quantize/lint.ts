// The fusion lint: what ONNX Runtime really does with the written file, read from its own optimised graph.
import {
  constantsOf,
  factsOf,
  type Graph,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
} from '../onnx/index.ts'
import type { FusionBlocker, Target } from './targets/target.ts'

/** The kernel that a layer of the written file runs with. */
export interface LayerKernel {
  readonly name: string
  readonly op: string
  readonly kernel: string
  readonly integer: boolean
  /** ONNX Runtime quantised its float weight itself, with one scale for all channels: not what the file says. */
  readonly requantized?: boolean
  /** What in the written file keeps a layer from its integer kernel. */
  readonly trap?: string
}

/**
 * Finds the kernel of each layer of a written model in the graph that ONNX Runtime runs. A layer is found by its node name,
 * or by its weight when the runtime named the fused node anew.
 */
export function lintFusion(written: Model, optimized: Model, target: Target): LayerKernel[] {
  const byName = new Map<string, Node>()
  const byWeight = new Map<string, Node[]>()
  for (const node of optimized.graph.nodes) {
    byName.set(node.name, node)
    for (const index of target.kernels[node.opType] ?? []) {
      const weight = node.inputs[index] ?? ''
      byWeight.set(weight, [...(byWeight.get(weight) ?? []), node])
    }
  }
  const claimed = new Set<Node>()
  return writtenLayers(written, target).map(({ node, weightName }) => {
    const name = nodeName(node)
    const fused = byWeight.get(weightName)?.find((candidate) => !claimed.has(candidate))
    const own = byWeight.get(`${name}_weight_q`)?.find((candidate) => !claimed.has(candidate))
    const kernel = fused ?? own ?? byName.get(name)
    if (kernel) claimed.add(kernel)
    const opType = kernel?.opType ?? node.opType
    const integer = target.kernels[opType] !== undefined
    const trap = integer ? undefined : trapOf(written.graph, node, target.fusion.blockedBy)
    return {
      name,
      op: node.opType,
      kernel: opType,
      integer,
      ...(own && !fused ? { requantized: true } : {}),
      ...(trap === undefined ? {} : { trap }),
    }
  })
}

/** Layers of a written model for a runtime that is not here: what stands in integers between Q and DQ; what its kernels are, only it knows. */
export function placedKernels(written: Model, target: Target, layers: ReadonlySet<string>): LayerKernel[] {
  return writtenLayers(written, target).map(({ node }) => {
    const name = nodeName(node)
    return { name, op: node.opType, kernel: node.opType, integer: layers.has(name) }
  })
}

/** Known reasons why a layer between DQ and Q does not fuse: a scalar with a rank, and a result that goes two ways before Q. */
function trapOf({ nodes, initializers }: Graph, layer: Node, blockers: readonly FusionBlocker[]): string | undefined {
  const consumersOf = (value: string) => nodes.filter((node) => node.inputs.includes(value))
  const ranked = (node: Node, from: number) =>
    node.inputs.slice(from).find((name) => {
      const tensor = initializers.get(name)
      return tensor?.size === 1 && tensor.shape.length > 0
    })
  const [next, ...others] = consumersOf(layer.outputs[0] ?? '')
  if (!next) return undefined
  if (others.length > 0 && blockers.includes('second-consumer'))
    return 'its output is read twice before it is quantised'
  if (!blockers.includes('ranked-scalar')) return undefined
  const chain =
    next.opType === 'Clip' || next.opType === 'Relu' ? [next, ...consumersOf(next.outputs[0] ?? '')] : [next]
  for (const node of chain) {
    const name = ['Clip', 'QuantizeLinear', 'DequantizeLinear'].includes(node.opType) ? ranked(node, 1) : undefined
    if (name !== undefined) return `"${name}" of ${node.opType} ${nodeName(node)} has a shape of [1] instead of []`
  }
  return undefined
}

/** The layers of a written model: those whose weight is float, those whose weight is codes behind DQ, and those that read codes. */
function writtenLayers(model: Model, { kernels }: Target): { node: Node; weightName: string }[] {
  const behind = dequantized(model.graph)
  const floats = new Map<Node, Layer>(layersOf(model).map((layer) => [layer.node, layer]))
  const { initializers } = model.graph
  return model.graph.nodes.flatMap((node) => {
    const float = floats.get(node)
    if (float) return [{ node, weightName: node.inputs[float.weightIndex] ?? '' }]
    if (node.opType === 'MatMulNBits' || node.opType === 'MatMulBnb4')
      return [{ node, weightName: node.inputs[1] ?? '' }]
    const codes = kernels[node.opType]?.find((index) => initializers.has(node.inputs[index] ?? ''))
    if (codes !== undefined) return [{ node, weightName: node.inputs[codes] ?? '' }]
    if (!factsOf(node).layer) return []
    const weightName = behind.get(node.inputs[1] ?? '') ?? behind.get(node.inputs[0] ?? '')
    return weightName === undefined ? [] : [{ node, weightName }]
  })
}

/** Output of each DequantizeLinear of a constant → the name of its codes; a tied weight's are another's, transposed. */
function dequantized(graph: Graph): Map<string, string> {
  const constants = constantsOf(graph)
  const transposed = new Set(
    graph.nodes
      .filter((node) => node.opType === 'Transpose' && constants(node.inputs[0]))
      .map((node) => node.outputs[0]),
  )
  return new Map(
    graph.nodes
      .filter(
        ({ opType, inputs: [codes] }) => opType === 'DequantizeLinear' && (constants(codes) || transposed.has(codes)),
      )
      .map((node) => [node.outputs[0] ?? '', node.inputs[0] ?? '']),
  )
}
