// A split: a layer as two layers, one after the other, with `rank` channels between them.
import type { LayerGeometry } from '../../calibrate/index.ts'

/** Height and width. */
export type Size = readonly [number, number]

/** The spatial sizes that a layer meets; rows have as many positions as height, and width 1. */
export interface LayerSizes {
  readonly input: Size
  readonly output: Size
}

/** One of the two layers. Its channels are those of a group; both have the groups of the original. */
export interface SplitPart {
  readonly kernel: Size
  readonly strides: Size
  readonly dilations: Size
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number]
  readonly output: Size
}

export interface Split {
  /** As in recipes and reports. */
  readonly name: SplitName
  /** Word of `--method`. */
  readonly method: 'spatial-svd' | 'weight-svd'
  /** Why a layer of this geometry cannot be split so, as a clause; undefined when it can. */
  readonly refuse: (geometry: LayerGeometry) => string | undefined
  /** Kernel positions of the first and the second layer. */
  readonly positions: (geometry: LayerGeometry) => { readonly first: Size; readonly second: Size }
  readonly parts: (
    geometry: LayerGeometry,
    sizes: LayerSizes,
  ) => { readonly first: SplitPart; readonly second: SplitPart }
}

export type SplitName = 'vertical-horizontal' | 'horizontal-vertical' | 'input-side' | 'output-side'

export function defineSplit(split: Split): Split {
  return split
}

/** Nothing can be split when the inputs of a group are one: there is nothing to share. */
export function refuseAlways({ groups, inputsPerGroup, outputsPerGroup }: LayerGeometry): string | undefined {
  if (groups > 1 && inputsPerGroup === 1) return 'it is depthwise'
  if (inputsPerGroup === 1 && outputsPerGroup === 1) return 'it has one input and one output'
  return undefined
}

const one: Size = [1, 1]

/** A 1×1 part on a map of this size. */
export function pointwise(output: Size): SplitPart {
  return { kernel: one, strides: one, dilations: one, pads: [0, 0, 0, 0], output }
}

/** The whole kernel, as in the original. */
export function wholePart({ kernel, strides, dilations, pads }: LayerGeometry, { output }: LayerSizes): SplitPart {
  return { kernel, strides, dilations, pads, output }
}

/** A k×1 part: the vertical half of everything. */
export function vertical({ kernel, strides, dilations, pads }: LayerGeometry, output: Size): SplitPart {
  const [top, , bottom] = pads
  return {
    kernel: [kernel[0], 1],
    strides: [strides[0], 1],
    dilations: [dilations[0], 1],
    pads: [top, 0, bottom, 0],
    output,
  }
}

/** A 1×k part: the horizontal half of everything. */
export function horizontal({ kernel, strides, dilations, pads }: LayerGeometry, output: Size): SplitPart {
  const [, left, , right] = pads
  return {
    kernel: [1, kernel[1]],
    strides: [1, strides[1]],
    dilations: [1, dilations[1]],
    pads: [0, left, 0, right],
    output,
  }
}
