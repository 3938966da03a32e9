// Which nodes compute in float16: those that the runtime has it for, whose values it holds, and that are worth a Cast.
import { float16Max, sizeOf } from '../../base/index.ts'
import {
  type Constants,
  constantsOf,
  consumersOf,
  type DType,
  factsOf,
  isScaleOfCodes,
  type Model,
  type Node,
  nodeName,
  peakInside,
  type Shapes,
  staysFloat32Input,
  subgraphsOf,
} from '../../onnx/index.ts'
import { maskedValues } from './masks.ts'

/** How far beyond what samples showed a value may go: twice as far, and float16 still holds twice that. */
const MARGIN = 4
/** Smallest float16 with all its bits. */
const SMALLEST_NORMAL = 2 ** -14

/** What samples showed of a value. */
export interface Reach {
  readonly min: number
  readonly max: number
}

export interface HalfOptions {
  readonly types: ReadonlyMap<string, DType>
  readonly shapes: Shapes
  /** Where values reach on the samples; one that is missing was not looked at. */
  readonly reaches: ReadonlyMap<string, Reach>
  /** Does the runtime take a node with float16? */
  readonly takes: (node: Node) => Promise<boolean>
  /** Nodes that stay float32 because somebody says so. */
  readonly excluded: (node: Node) => boolean
}

export interface HalfChoice {
  /** Nodes that compute in float16, by the name of their first output. */
  readonly half: ReadonlySet<string>
  /** Nodes with float32 values that stay as they are, and why. */
  readonly float: readonly {
    readonly name: string
    readonly op: string
    readonly reason: string
    readonly forced: boolean
  }[]
  /** Values that only mask: numbers beyond float16 saturate. */
  readonly masks: (value: string) => boolean
}

/** Chooses the nodes that compute in float16. */
export async function chooseHalf(model: Model, options: HalfOptions): Promise<HalfChoice> {
  const { graph } = model
  const { types, excluded } = options
  const constants = constantsOf(graph)
  const masks = maskedValues(graph, types, constants)
  const reasons = new Map<Node, string>()
  const candidates = graph.nodes.filter((node) =>
    [...node.inputs, ...node.outputs].some((value) => types.get(value) === 'float32'),
  )
  for (const node of candidates) {
    const reason = excluded(node)
      ? 'it is excluded'
      : (whyConstant(node, constants, masks) ?? whyRange(node, masks, options) ?? (await whyRuntime(node, options)))
    if (reason) reasons.set(node, reason)
  }
  const forced = new Set(reasons.keys())
  joinRegions(model, candidates, reasons, options)
  return {
    half: new Set(candidates.flatMap((node) => (reasons.has(node) ? [] : [node.outputs[0] ?? '']))),
    float: [...reasons].map(([node, reason]) => ({
      name: nodeName(node),
      op: node.opType,
      reason,
      forced: forced.has(node),
    })),
    masks,
  }
}

async function whyRuntime(node: Node, { takes }: HalfOptions): Promise<string | undefined> {
  if (subgraphsOf(node).length > 0) return 'the graphs inside it stay float32'
  return (await takes(node)) ? undefined : `ONNX Runtime has no float16 form of ${node.opType}`
}

/** A constant that float16 does not hold: too large, so small that it becomes 0 or loses bits, or a scale of codes with such a number. */
function whyConstant(node: Node, constants: Constants, masks: (value: string) => boolean): string | undefined {
  for (const [index, name] of node.inputs.entries()) {
    const tensor = constants(name)
    if (tensor?.dtype !== 'float32' || staysFloat32Input(node, index)) continue
    let [largest, least, low] = [0, Number.POSITIVE_INFINITY, 0]
    for (const value of tensor.floats()) {
      const size = Math.abs(value)
      if (size > largest && size !== Number.POSITIVE_INFINITY) largest = size
      if (size > 0 && size < least) least = size
      if (value < low && value !== Number.NEGATIVE_INFINITY) low = value
    }
    if (largest > float16Max && !(largest === -low && masks(node.outputs[0] ?? '')))
      return `its constant "${name}" has ${number(largest)}; float16 ends at ${number(float16Max)}`
    if (largest > 0 && largest < SMALLEST_NORMAL)
      return `its constant "${name}" (${number(largest)}) is too small for float16`
    if (isScaleOfCodes(node, index) && least < SMALLEST_NORMAL)
      return `a scale of its codes (${number(least)}) is too small for float16`
  }
  return undefined
}

/** A value on the samples, or inside the operator, that float16 does not hold with a margin. */
function whyRange(
  node: Node,
  masks: (value: string) => boolean,
  { reaches, types, shapes }: HalfOptions,
): string | undefined {
  const peakOf = (value = ''): number | undefined => {
    const reach = reaches.get(value)
    return reach && Math.max(Math.abs(reach.min), Math.abs(reach.max))
  }
  for (const [kind, list] of [
    ['input', node.inputs],
    ['output', node.outputs],
  ] as const)
    for (const value of list) {
      const reach = types.get(value) === 'float32' ? reaches.get(value) : undefined
      if (!reach) continue
      const peak = masks(value) ? reach.max : (peakOf(value) ?? 0)
      if (peak * MARGIN > float16Max)
        return `its ${kind} "${value}" reaches ${number(peak)} on the samples; float16 ends at ${number(float16Max)}`
      if (kind === 'output' && peak > 0 && peak < SMALLEST_NORMAL && !masks(value))
        return `its output "${value}" stays below ${number(peak)} on the samples, where float16 loses bits`
    }
  const dims = (value = '') => shapes.get(value)?.dims
  const inner = peakInside({
    node,
    input: (index) => peakOf(node.inputs[index]),
    output: (index) => peakOf(node.outputs[index]),
    inputDims: (index) => dims(node.inputs[index]),
    outputDims: (index) => dims(node.outputs[index]),
  })
  if (inner?.peak !== undefined && inner.peak * MARGIN > float16Max)
    return `squares or sums inside it reach ${number(inner.peak)} on the samples; float16 ends at ${number(float16Max)}`
  return inner && inner.peak === undefined && reaches.size === 0
    ? 'how large the squares or sums inside it become is not known without samples'
    : undefined
}

/** Nodes between float32 ones stay float32 where that saves more Casts than it takes, counted by what they convert. */
function joinRegions(
  model: Model,
  candidates: readonly Node[],
  reasons: Map<Node, string>,
  options: HalfOptions,
): void {
  const { types, shapes } = options
  const constants = constantsOf(model.graph)
  const consumers = consumersOf(model.graph.nodes)
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)))
  const outputs = new Set(model.graph.outputs.map(({ name }) => name))
  const isHalf = (node: Node | undefined) => node !== undefined && !reasons.has(node)
  const costs = (node: Node): { half: number; float: number } => {
    const cost = { half: 0, float: 0 }
    const count = (value: string, neighbours: readonly (Node | undefined)[]) => {
      const size = sizeOf(shapes.get(value)?.dims ?? [1])
      if (neighbours.some((each) => !isHalf(each))) cost.half += size
      if (neighbours.some(isHalf)) cost.float += size
    }
    for (const value of new Set(node.inputs))
      if (types.get(value) === 'float32' && !constants(value)) count(value, [producers.get(value)])
    for (const value of node.outputs)
      if (types.get(value) === 'float32')
        count(value, [...(consumers.get(value) ?? []), ...(outputs.has(value) ? [undefined] : [])])
    return cost
  }
  for (let changed = true; changed; ) {
    changed = false
    for (const node of candidates) {
      if (reasons.has(node) || isProduct(node)) continue
      const { half, float } = costs(node)
      if (half <= float) continue
      reasons.set(node, 'it stands between operators that compute in float32')
      changed = true
    }
  }
}

/** Multiplies with a weight: what float16 is for. */
const isProduct = (node: Node) => factsOf(node).layer !== undefined || node.opType === 'MatMulNBits'

const number = (value: number): string =>
  value >= 1e-3 && value < 1e7 ? Math.round(value).toLocaleString('en') : value.toExponential(1)
