// The plan: the single source of truth for every grid of the written file, and where each came from.
import { InputError, sizeOf } from '../base/index.ts'
import type { TensorStatistics } from '../calibrate/index.ts'
import { nonFiniteKind, type QuantParams } from '../math/index.ts'
import { type Layer, type Model, nodeName, type Tensor, type WeightView } from '../onnx/index.ts'
import { type ActivationGrid, activationGrid, constantGrid, fixedGrid, givenGrid, isUnit } from './activation-grid.ts'
import { rowGrid, tablesOf, tieOf } from './embeddings.ts'
import type { GivenGrids } from './encodings/given-grids.ts'
import { heardOf, surroundingsOf } from './heard.ts'
import type { QuantizeOptions } from './options.ts'
import { type Override, overridesOf } from './overrides.ts'
import { layersIn, type Placement } from './placement/placement.ts'
import type { PlacedTensor } from './placement/tensors.ts'

/** Plain data by the names of values and layers: it fits every copy of its float model, and can be written down (`planToJson`). */
export interface Plan {
  readonly placement: Placement
  /** Grids of values, those that share another's grid among them. */
  readonly activations: ReadonlyMap<string, ActivationGrid>
  /** Weight grids of integer layers. */
  readonly weights: ReadonlyMap<string, QuantParams>
  /** Grids of embeddings, by their Gather. */
  readonly embeddings: ReadonlyMap<string, QuantParams>
  /** Grids of weights that are stored in codes although their layers compute in float. */
  readonly stored: ReadonlyMap<string, QuantParams>
  /** Bits that the codes of a layer use, whatever they are stored in. */
  readonly weightBits: ReadonlyMap<string, number>
}

/** What grids are made from. */
export interface GridEvidence {
  /** Of the tensors to observe, by value. */
  readonly statistics: ReadonlyMap<string, TensorStatistics>
  readonly options: QuantizeOptions
  /** Bits of each layer's weight, by its name; default 8. */
  readonly weightBits?: ReadonlyMap<string, number>
}

/** The activation tensors whose statistics the plan needs: those with a grid of their own that is not known without looking. */
export function tensorsToObserve({ tensors }: Placement, given?: GivenGrids): PlacedTensor[] {
  const known = givenFamilies(tensors, given)
  return [...tensors.values()].filter(
    (tensor) => tensor.gridOf === tensor.value && !isUnit(tensor) && !tensor.constant && !known.has(tensor.value),
  )
}

/** What is given for the grids of values, by the value whose grid it is; that value's own goes before those of values that share it. */
function givenFamilies(tensors: Placement['tensors'], given: GivenGrids | undefined): Map<string, QuantParams> {
  const found = new Map<string, QuantParams>()
  if (!given) return found
  for (const { value, gridOf } of tensors.values()) {
    const params = given.activations.get(value)
    if (params && (value === gridOf || !found.has(gridOf))) found.set(gridOf, params)
  }
  return found
}

/**
 * Turns statistics into grids.
 * @param model the float model that was placed
 * @throws InputError when a layer holds NaN or an infinity
 */
export function makePlan(model: Model, placement: Placement, evidence: GridEvidence): Plan {
  const { statistics, options, weightBits = new Map<string, number>() } = evidence
  const activations = new Map<string, ActivationGrid>()
  const around = surroundingsOf(model.graph)
  const said = overridesOf(options.overrides, model.graph.nodes)
  /** What is said of values that share a grid is said of all of them. */
  const saidOf = (value: string): Override => {
    const sharing = [...placement.tensors.values()].filter(({ gridOf }) => gridOf === value)
    return Object.assign({}, ...sharing.map((each) => said.get(each.value)), said.get(value))
  }
  const given = givenFamilies(placement.tensors, options.given)
  const makers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  for (const tensor of placement.tensors.values()) {
    if (tensor.gridOf !== tensor.value) continue
    const known = given.get(tensor.value)
    const fixed = known ?? fixedGrid(tensor, makers.get(tensor.value), options, saidOf(tensor.value))
    if (fixed) {
      activations.set(tensor.value, givenGrid(fixed, known ? 'given by the encodings' : 'the grid of the operator'))
      continue
    }
    const constant = tensor.constant ? model.graph.initializers.get(tensor.value) : undefined
    if (constant) {
      activations.set(tensor.value, constantGrid(constant.floats(), options, saidOf(tensor.value)))
      continue
    }
    const seen = statistics.get(tensor.value)
    const heard = seen && heardOf(tensor.value, around)
    activations.set(
      tensor.value,
      activationGrid({ ...tensor, seen, heard }, options, placement.target, saidOf(tensor.value)),
    )
  }
  for (const tensor of placement.tensors.values()) {
    const grid = activations.get(tensor.gridOf)
    if (grid && tensor.gridOf !== tensor.value)
      activations.set(tensor.value, { ...grid, method: `as ${tensor.gridOf}` })
  }
  const layers = layersIn(model, placement.layers)
  const weights = new Map<string, QuantParams>()
  for (const layer of layers) {
    const input = activations.get(layer.node.inputs[0] ?? '')
    weights.set(layer.name, integerWeightGrid(layer, options, { bits: weightBits.get(layer.name) ?? 8, input }))
  }
  for (const group of sharing(layers)) widen(group, weights)
  const tables = tablesOf(model.graph, placement.embeddings)
  const embeddings = embeddingGrids(layers, tables, weights, { weightBits, given: options.given?.tables })
  const stored = new Map(
    layersIn(model, placement.stored).map((layer) => [
      layer.name,
      options.given?.weights.get(layer.name) ?? weightGrid(layer, options),
    ]),
  )
  return { placement, activations, weights, embeddings, stored, weightBits }
}

/** Layers that read the same weight along the same axis. */
function sharing(layers: readonly Layer[]): string[][] {
  const byWeight = new Map<Tensor, Map<number | undefined, string[]>>()
  for (const { name, weight, view } of layers) {
    const groups = byWeight.get(weight) ?? new Map<number | undefined, string[]>()
    byWeight.set(weight, groups.set(view?.outputAxis, [...(groups.get(view?.outputAxis) ?? []), name]))
  }
  return [...byWeight.values()].flatMap((groups) => [...groups.values()]).filter((group) => group.length > 1)
}

/** Gives all layers of a group the largest scale that one of them needs, so that their codes are the same. */
function widen(group: readonly string[], weights: Map<string, QuantParams>): void {
  const grids = group.flatMap((name) => weights.get(name) ?? [])
  const [first] = grids
  if (!first || grids.some(({ scale }) => scale.length !== first.scale.length)) return
  const scale = first.scale.map((_, o) => Math.max(...grids.map((grid) => grid.scale[o] ?? 0)))
  for (const name of group) weights.set(name, { ...first, scale })
}

/** What is known of the layers, and of grids that stay. */
export interface EmbeddingOptions {
  /** Bits of layers, by their name; 8 where nothing is said. */
  readonly weightBits?: ReadonlyMap<string, number> | undefined
  /** Grids that stay as they are, by the name of the Gather. */
  readonly given?: ReadonlyMap<string, QuantParams> | undefined
}

/**
 * An embedding that is an output layer's weight, too, has that layer's scales: one for each row serves both.
 * @param tables matrices by the name of the Gather that picks their rows
 * @param weights grids of the layers, of which those of tied ones are widened
 * @returns grids by the name of the Gather
 */
export function embeddingGrids(
  layers: readonly Layer[],
  tables: ReadonlyMap<string, Tensor>,
  weights: Map<string, QuantParams>,
  { weightBits = new Map(), given = new Map() }: EmbeddingOptions = {},
): Map<string, QuantParams> {
  const grids = new Map<string, QuantParams>()
  const known = new Map<Tensor, QuantParams>()
  for (const [gather, table] of tables) {
    const tied = layers.flatMap(({ name, weight, view }) => {
      const tie = (weightBits.get(name) ?? 8) === 8 ? tieOf(weight, table) : undefined
      return tie && view?.outputAxis === (tie === 'same' ? 0 : 1) ? [name] : []
    })
    if (!known.has(table)) widen(tied, weights)
    const own = weights.get(tied[0] ?? gather)
    const grid = given.get(gather) ?? known.get(table) ?? (own ? asRows(own) : rowGrid(table))
    known.set(table, grid)
    grids.set(gather, grid)
  }
  return grids
}

function asRows({ axis, ...params }: QuantParams): QuantParams {
  return axis === undefined ? params : { ...params, axis: 0 }
}

/**
 * Symmetric over the absolute maximum, per output channel or for the whole weight; few bits use few codes of int8.
 * @throws InputError when the layer holds NaN or an infinity
 */
export function weightGrid(layer: Layer, options: Pick<QuantizeOptions, 'weights'>, bits = 8): QuantParams {
  refuseNonFinite(layer)
  const values = layer.weight.floats()
  const { view } = layer
  const dtype = 'int8'
  const top = 2 ** (bits - 1) - 1
  if (!view || options.weights === 'per-tensor') {
    let largest = 0
    for (const value of values) largest = Math.max(largest, Math.abs(value))
    const scale = Math.fround(largest / top)
    return { dtype, scale: Float32Array.of(scale >= 2 ** -126 ? scale : 1), zeroPoint: new Int32Array(1) }
  }
  // A grouped ConvTranspose has its output channels on two axes, of which DequantizeLinear knows one.
  if (view.groups > 1 && view.outputAxis !== 0) return finestAxis(values, layer.weight.shape, top)
  const scale = new Float32Array(view.outputs)
  const largest = isLastAxis(view) ? absMaxOfColumns(values, view.outputs) : undefined
  for (let o = 0; o < view.outputs; o++) scale[o] = (largest?.[o] ?? absMax(values, view, o)) / top
  replaceEmpty(scale)
  return { dtype, scale, zeroPoint: new Int32Array(view.outputs), axis: view.outputAxis }
}

/** A grid along the input or the output channels of a weight [inputs, outputs of a group, …]: the one with the smaller steps. */
function finestAxis(values: Float32Array, shape: readonly number[], top: number): QuantParams {
  const [inputs = 1, outputs = 1, ...kernel] = shape
  const positions = sizeOf(kernel)
  const scales = [new Float32Array(inputs), new Float32Array(outputs)] as const
  for (let i = 0, at = 0; i < inputs; i++)
    for (let o = 0; o < outputs; o++)
      for (let u = 0; u < positions; u++, at++) {
        const step = Math.abs(values[at] ?? 0) / top
        scales[0][i] = Math.max(scales[0][i] ?? 0, step)
        scales[1][o] = Math.max(scales[1][o] ?? 0, step)
      }
  const noise = (list: Float32Array) => list.reduce((sum, step) => sum + step * step, 0) / list.length
  const axis = noise(scales[0]) <= noise(scales[1]) ? 0 : 1
  const scale = scales[axis]
  replaceEmpty(scale)
  return { dtype: 'int8', scale, zeroPoint: new Int32Array(scale.length), axis }
}

/** Codes would hide a NaN: the model must not come out sounder than it went in. */
function refuseNonFinite({ node, weightIndex, weight, bias }: Layer): void {
  const constants = [[weight, node.inputs[weightIndex]] as const, ...(bias ? [[bias, node.inputs[2]] as const] : [])]
  for (const [tensor, name = ''] of constants) {
    const kind = nonFiniteKind(tensor.floats())
    if (kind)
      throw new InputError(
        `tensor "${name}", a constant of ${node.opType} "${nodeName(node)}", holds ${kind === 'NaN' ? 'NaN' : 'infinite values'}: the model is at fault, not the samples; export it again`,
        { tensor: name, node: nodeName(node), op: node.opType },
      )
  }
}

/**
 * The grid of a weight whose layer computes in integers: as fine as its operator allows, and no finer than its bias fits behind.
 * @throws InputError when the layer holds NaN or an infinity
 */
export function integerWeightGrid(
  layer: Layer,
  { target, weights, given }: Pick<QuantizeOptions, 'target' | 'weights' | 'given'>,
  { bits, input }: { readonly bits: number; readonly input: ActivationGrid | undefined },
): QuantParams {
  const finest = target.ops.some(({ op, perChannel }) => perChannel && op === layer.node.opType)
  const grid = given?.weights.get(layer.name) ?? weightGrid(layer, { weights: finest ? weights : 'per-tensor' }, bits)
  const scale = input?.params.scale[0]
  return scale === undefined || target.biases === 'float' ? grid : fitBias(grid, layer, scale)
}

/** int32 with room for the sums that are added to the bias. */
const LARGEST_BIAS_CODE = 2 ** 31 - 1 - 2 ** 24

/** The smallest weight scale for which a bias fits int32 on the grid input scale × weight scale. */
export function leastScaleFor(bias: number, inputScale: number): number {
  return Math.abs(bias) / (inputScale * LARGEST_BIAS_CODE)
}

/** Raises the weight scales of channels whose bias would not fit int32 on the grid input scale × weight scale. */
function fitBias(grid: QuantParams, layer: Layer, inputScale: number): QuantParams {
  const bias = layer.bias?.floats()
  if (!bias) return grid
  const scale = grid.scale.slice()
  for (let o = 0; o < bias.length; o++) {
    const index = scale.length === 1 ? 0 : o
    const needed = leastScaleFor(bias[o] ?? 0, inputScale)
    if ((scale[index] ?? 1) < needed) scale[index] = needed
  }
  return { ...grid, scale }
}

function absMax(values: Float32Array, view: WeightView, output: number): number {
  const base = view.offset(output)
  let largest = 0
  for (let i = 0; i < view.inputsPerGroup; i++)
    for (let u = 0; u < view.positions; u++)
      largest = Math.max(largest, Math.abs(values[base + i * view.inputStride + u * view.positionStride] ?? 0))
  return largest
}

/** Are the outputs of a weight the columns of a matrix? */
function isLastAxis(view: WeightView): boolean {
  return view.groups === 1 && view.positions === 1 && view.inputStride === view.outputs && view.outputs > 1
}

/** The same of all columns at once, row after row: where rows are long, a column is a cache miss for each of its numbers. */
function absMaxOfColumns(values: Float32Array, columns: number): Float32Array {
  const largest = new Float32Array(columns)
  for (let i = 0, column = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!)
    if (size > largest[column]!) largest[column] = size
    if (++column === columns) column = 0
  }
  return largest
}

/** A channel without weights, or with denormal ones, takes the layer's median scale: its bias needs a grid too. */
function replaceEmpty(scale: Float32Array): void {
  const alive = scale.filter((value) => value >= 2 ** -126).sort()
  const median = alive[Math.floor(alive.length / 2)] ?? 1
  for (let o = 0; o < scale.length; o++) if (!((scale[o] ?? 0) >= 2 ** -126)) scale[o] = median
}
