// Weights of matrix products rounded to blocks of few bits, layer after layer: each reads what those before it made of its input.
import type { Watch } from '../../base/index.ts'
import { geometryOf, kernelOf, type LayerGeometry, type Spill, type StopView, walk } from '../../calibrate/index.ts'
import { type Matrix, type Products, randomStream } from '../../math/index.ts'
import { GraphEditor, type Layer, type Model, nodeName, type Shapes, Tensor, withTensors } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { observeGroups } from '../rounding/gather.ts'
import { decoded, nearestCodes } from '../rounding/problem.ts'
import { refitWeights } from '../rounding/refit.ts'
import { type BlockedWeight, type BlockFormat, blockGrids } from './block-grids.ts'
import { blocksInParts } from './blocks-in-parts.ts'
import { aboutZero, bySecondOrder, chooseRounding } from './choose-rounding.ts'
import type { hqqGrids } from './hqq.ts'
import { formatOf } from './pack-blocks.ts'

export interface BlockedOptions extends Watch {
  /** Samples that walk through the model. */
  readonly batches: readonly Values[]
  readonly shapes: Shapes
  readonly products: Products
  readonly seed: number
  /** Batches that only judge. */
  readonly validation?: (batch: number) => boolean
  readonly spill?: Spill
}

/** How a layer's codes came about. */
export interface BlockedLayer {
  readonly weight: BlockedWeight
  readonly how: 'plain' | 'gptq' | 'refit'
}

/** The weight [outputs, inputs] of a layer that is a matrix product; undefined for any other. */
function matrixOf(layer: Layer): Matrix | undefined {
  const geometry = geometryOf(layer)
  return typeof geometry === 'string' || geometry.layout !== 'rows' ? undefined : kernelOf(layer, geometry, 0)
}

/**
 * Each weight to the nearest codes of its blocks; layers that share a weight share the result.
 * @param grids where the grids of a weight lie: from its lowest to its highest, or `hqqGrids`
 */
export function plainBlocks(
  layers: ReadonlyMap<Layer, BlockFormat>,
  grids: typeof hqqGrids = blockGrids,
): Map<Layer, BlockedWeight> {
  const known = new Map<string, BlockedWeight>()
  const result = new Map<Layer, BlockedWeight>()
  const ids = new Map<Tensor, number>()
  for (const [layer, format] of layers) {
    const geometry = geometryOf(layer)
    if (typeof geometry === 'string' || geometry.layout !== 'rows') continue
    if (!ids.has(layer.weight)) ids.set(layer.weight, ids.size)
    // The same tensor read as it is and transposed is two weights.
    const key = [ids.get(layer.weight), layer.view?.outputAxis, format.block, format.bits].join()
    const weight = known.get(key) ?? nearestBlocks(layer, geometry, format, grids)
    known.set(key, weight)
    result.set(layer, weight)
  }
  return result
}

function nearestBlocks(
  layer: Layer,
  geometry: LayerGeometry,
  format: BlockFormat,
  gridsIn: typeof hqqGrids,
): BlockedWeight {
  const { view, weight } = layer
  if (view && weight.lazy) return blocksInParts(weight, view, format, gridsIn)
  const weights = kernelOf(layer, geometry, 0)
  const grids = gridsIn(weights, format)
  return { rows: weights.rows, columns: weights.columns, codes: nearestCodes(weights, grids), grids }
}

/**
 * Second-order codes (GPTQ, then coordinate descent) for each layer in one walk, of weights that are refitted to the stream
 * where held-back rows agree. A layer whose rows say that its nearest codes are better keeps those.
 */
export async function roundBlocked(
  runtime: Runtime,
  model: Model,
  layers: ReadonlyMap<Layer, BlockFormat>,
  options: BlockedOptions,
): Promise<Map<Layer, BlockedLayer>> {
  const { batches, shapes, spill, signal, progress } = options
  const plain = plainBlocks(layers)
  const result = new Map<Layer, BlockedLayer>([...plain].map(([layer, weight]) => [layer, { weight, how: 'plain' }]))
  const { copy, names } = withOwnWeights(model, plain)
  const shared = new Set([...plain.values()].filter((weight, i, all) => all.indexOf(weight) !== i))
  const byName = new Map([...plain.keys()].map((layer) => [nodeName(layer.node), layer]))
  const stops = [...byName].map(([name, { node }]) => ({ name, value: node.outputs[0] ?? '' }))
  const visitor = {
    visit: async (view: StopView) => {
      const layer = byName.get(view.name)
      const weight = layer && plain.get(layer)
      const slot = layer && names.get(layer)
      if (!layer || !weight || slot === undefined) return
      const found = shared.has(weight) ? undefined : await roundOne(view, layer, weight, options)
      if (found) result.set(layer, found)
      const { rows, columns, codes, grids } = result.get(layer)?.weight ?? weight
      view.change(withTensors(view.model, new Map([[slot, asTensor(layer, decoded(rows, columns, codes, grids))]])))
    },
  }
  const walked = { shapes, step: 'round', simulate: false, signal, progress, ...(spill ? { spill } : {}) }
  await walk(runtime, model, copy, { ...walked, stops, batches, visitor })
  return result
}

async function roundOne(
  view: StopView,
  layer: Layer,
  plain: BlockedWeight,
  options: BlockedOptions,
): Promise<BlockedLayer | undefined> {
  const { products, seed, validation = () => false } = options
  const geometry = geometryOf(layer)
  const weights = matrixOf(layer)
  if (typeof geometry === 'string' || !weights) return undefined
  const random = randomStream(seed, `rounding ${view.name}`)
  const input = layer.node.inputs[0] ?? ''
  const [seen] = await observeGroups(view, input, geometry, { products, random, used: (batch) => !validation(batch) })
  if (!seen) return undefined
  const bias = layer.node.opType === 'Gemm' ? layer.bias?.floats() : undefined
  const found = await chooseRounding(products, { weights, plain, bias, ...seen })
  if (!found) return undefined
  seen.fit.merge(seen.check)
  const whole = aboutZero(seen.fit, bias)
  const { ridge } = found
  const from = ridge === undefined ? weights : await refitWeights(products, weights, whole, { ridge })
  const weight = await bySecondOrder(products, from, whole.covariance, formatOf(plain))
  return { weight, how: ridge === undefined ? 'gptq' : 'refit' }
}

/** A copy of the model in which each layer has a weight of its own, by name. */
function withOwnWeights(
  model: Model,
  layers: ReadonlyMap<Layer, unknown>,
): { readonly copy: Model; readonly names: ReadonlyMap<Layer, string> } {
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const names = new Map<Layer, string>()
  for (const layer of layers.keys()) {
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (node) names.set(layer, editor.setConstant(node, layer.weightIndex, layer.weight, `${layer.name}/rounded`))
  }
  return { copy: editor.finish(), names }
}

/** A matrix [outputs, inputs] as the weight of its layer. */
function asTensor({ weight, view }: Layer, { rows, columns, data }: Matrix): Tensor {
  const values = new Float32Array(weight.size)
  if (view)
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < columns; c++) values[view.offset(row) + c * view.inputStride] = data[row * columns + c]!
  return Tensor.from('float32', weight.shape, values)
}
