// What a layer costs, whole or split: the cost models that a budget can be stated in.
import type { LayerGeometry } from '../calibrate/index.ts'
import { type LayerSizes, type Size, type Split, type SplitPart, wholePart } from './splits/index.ts'

/** Sizes of one convolution or product, whole or a part of a split. */
export interface CostShape {
  readonly inputs: number
  readonly outputs: number
  readonly groups: number
  readonly positions: number
  /** Output positions of a sample. */
  readonly points: number
  readonly bias: boolean
  /** What running it takes beside these. */
  readonly layout: LayerGeometry['layout']
  readonly part: SplitPart
  readonly input: Size
}

export interface CostModel {
  /** As in recipes. */
  readonly name: string
  readonly unit: string
  readonly cost: (shape: CostShape) => number
}

/** A cost model by its name, its unit, and what a layer of a shape costs in it. */
export function defineCost(model: CostModel): CostModel {
  return model
}

/** Multiply-accumulates for one sample. */
export const macs: CostModel = defineCost({
  name: 'macs',
  unit: 'MACs',
  cost: ({ inputs, outputs, groups, positions, points }) => (inputs / groups) * outputs * positions * points,
})

/** Bytes of float32 weights and biases. */
export const parameterBytes: CostModel = defineCost({
  name: 'bytes',
  unit: 'bytes',
  cost: ({ inputs, outputs, groups, positions, bias }) =>
    4 * ((inputs / groups) * outputs * positions + (bias ? outputs : 0)),
})

/** Bytes of the float32 outputs of one sample. */
export const activationBytes: CostModel = defineCost({
  name: 'activations',
  unit: 'bytes',
  cost: ({ outputs, points }) => 4 * outputs * points,
})

/**
 * Multiply-accumulates that the kernels of the target really do: its convolutions work on blocks of channels (16 with
 * AVX-512, 8 with AVX2), so 17 channels take as long as 32. Few inputs (an image) and groups have kernels of their own.
 */
export function paddedMacs(block: number): CostModel {
  const padded = (channels: number) => Math.ceil(channels / block) * block
  return defineCost({
    name: `padded-macs-${block}`,
    unit: 'MACs',
    cost: ({ inputs, outputs, groups, positions, points }) =>
      groups > 1
        ? (inputs / groups) * padded(outputs) * positions * points
        : (inputs < block ? inputs : padded(inputs)) * padded(outputs) * positions * points,
  })
}

/** What of a layer its costs depend on. */
export interface SizedLayer {
  readonly geometry: LayerGeometry
  readonly sizes: LayerSizes
}

/** The shape of a whole layer. */
export function wholeShape({ geometry, sizes }: SizedLayer, bias = true): CostShape {
  const { inputsPerGroup: inputs, outputsPerGroup: outputs } = geometry
  return shapeOf(geometry, wholePart(geometry, sizes), { inputs, outputs, bias, input: sizes.input })
}

/** The shapes of the two parts of a split at a rank (of each group). */
export function splitShapes(
  split: Split,
  { geometry, sizes }: SizedLayer,
  rank: number,
): readonly [CostShape, CostShape] {
  const { inputsPerGroup: inputs, outputsPerGroup: outputs } = geometry
  const { first, second } = split.parts(geometry, sizes)
  return [
    shapeOf(geometry, first, { inputs, outputs: rank, bias: false, input: sizes.input }),
    shapeOf(geometry, second, { inputs: rank, outputs, bias: true, input: first.output }),
  ]
}

/** Inputs and outputs are those of a group. */
function shapeOf(
  { groups, layout }: LayerGeometry,
  part: SplitPart,
  { inputs, outputs, bias, input }: Pick<CostShape, 'inputs' | 'outputs' | 'bias' | 'input'>,
): CostShape {
  return {
    inputs: groups * inputs,
    outputs: groups * outputs,
    groups,
    positions: part.kernel[0] * part.kernel[1],
    points: part.output[0] * part.output[1],
    bias,
    layout,
    part,
    input,
  }
}

/** Cost of a split layer. */
export function splitCost(model: CostModel, split: Split, layer: SizedLayer, rank: number): number {
  const [first, second] = splitShapes(split, layer, rank)
  return model.cost(first) + model.cost(second)
}

/** Largest rank of a split, for each group. */
export function maxRank(split: Split, geometry: LayerGeometry): number {
  const { first, second } = split.positions(geometry)
  const width = geometry.inputsPerGroup * first[0] * first[1]
  return Math.min(width, geometry.outputsPerGroup * second[0] * second[1])
}

/**
 * Ranks worth looking at, rising: multiples of `multiple` (and, with it, no other) below the first one that is not cheaper
 * than the whole layer. Empty when no such rank saves anything: the layer is left alone.
 */
export function savingRanks(model: CostModel, split: Split, layer: SizedLayer, multiple: number): number[] {
  const whole = model.cost(wholeShape(layer))
  const ranks: number[] = []
  const most = maxRank(split, layer.geometry)
  for (let rank = multiple; rank < most; rank += multiple)
    if (splitCost(model, split, layer, rank) < whole) ranks.push(rank)
  return ranks
}

/** A compression ratio, and what ranks are multiples of. */
export interface RatioOptions {
  /** Share of the whole layer's cost. */
  readonly ratio: number
  /** Default 1. */
  readonly multiple?: number
}

/**
 * The rank of a published compression ratio: the largest whose cost is at most `ratio` of the whole, at least 1, rounded
 * up to a multiple but not above the largest rank that saves; undefined when none saves.
 */
export function rankForRatio(
  model: CostModel,
  split: Split,
  layer: SizedLayer,
  { ratio, multiple = 1 }: RatioOptions,
): number {
  const whole = model.cost(wholeShape(layer, false))
  const most = maxRank(split, layer.geometry)
  let rank = 1
  while (rank < most && splitCost(model, split, layer, rank + 1) <= ratio * whole) rank++
  return Math.min(Math.ceil(rank / multiple) * multiple, most)
}
