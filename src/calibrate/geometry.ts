// How a layer reads its input: kernel, strides, pads, groups; a matrix product is a 1×1 kernel over rows.
import { InputError, sizeOf } from '../base/index.ts'
import type { Matrix } from '../math/index.ts'
import { intAttribute, intsAttribute, type Layer, stringAttribute } from '../onnx/index.ts'

type Pair = readonly [number, number]

/** Geometry of one layer, in two spatial dimensions; a 1-D Conv has a second one of size 1. */
export interface LayerGeometry {
  /** Conv: values are [samples, channels, …]. Rows: [samples, …, channels], as Gemm and MatMul have it. */
  readonly layout: 'conv' | 'rows'
  readonly groups: number
  readonly inputsPerGroup: number
  readonly outputsPerGroup: number
  readonly kernel: Pair
  readonly strides: Pair
  readonly dilations: Pair
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number]
}

/** Length of a patch: inputs of a group times kernel positions. */
export function patchSize({ inputsPerGroup, kernel }: LayerGeometry): number {
  return inputsPerGroup * kernel[0] * kernel[1]
}

/**
 * The weight of one group, [outputs of the group, inputs of the group × kernel positions], in the order in which patches are
 * gathered.
 * @throws InputError for a layer without a weight view, which has no geometry either
 */
export function kernelOf(layer: Layer, geometry: LayerGeometry, group: number): Matrix {
  const { view } = layer
  if (!view) throw new InputError(`layer ${layer.name} has no weight view`)
  const values = layer.weight.floats()
  const rows = geometry.outputsPerGroup
  const columns = patchSize(geometry)
  const data = new Float64Array(rows * columns)
  for (let o = 0, to = 0; o < rows; o++) {
    const base = view.offset(group * rows + o)
    for (let i = 0; i < view.inputsPerGroup; i++)
      for (let u = 0; u < view.positions; u++, to++)
        data[to] = values[base + i * view.inputStride + u * view.positionStride]!
  }
  return { rows, columns, data }
}

/**
 * The geometry of a layer, or the reason (a clause) why its patches cannot be taken: three spatial dimensions,
 * ConvTranspose, a transposed or left-hand constant, pads that are not explicit.
 */
export function geometryOf(layer: Layer): LayerGeometry | string {
  const { node, facts, view } = layer
  if (!view) return 'its weight is the left factor or has more than two dimensions'
  const rows = {
    layout: 'rows',
    groups: 1,
    kernel: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
  } as const
  if (!facts.window && intAttribute(node, 'transA', 0) !== 0) return 'its input is transposed'
  if (!facts.window) return { ...rows, inputsPerGroup: view.inputsPerGroup, outputsPerGroup: view.outputs }
  if (facts.window !== 'gathers') return `${node.opType} is not supported`
  const kernel = layer.weight.shape.slice(2)
  if (kernel.length > 2) return `it has ${kernel.length} spatial dimensions`
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return 'its pads are not explicit'
  const pair = (name: string): Pair => {
    const [first = 1, second = 1] = intsAttribute(node, name) ?? []
    return [first, second]
  }
  const pads = intsAttribute(node, 'pads') ?? []
  const [top = 0, left = 0, bottom = 0, right = 0] = kernel.length === 1 ? [pads[0], 0, pads[1], 0] : pads
  return {
    layout: 'conv',
    groups: view.groups,
    inputsPerGroup: view.inputsPerGroup,
    outputsPerGroup: view.outputs / view.groups,
    kernel: [kernel[0] ?? 1, kernel[1] ?? 1],
    strides: pair('strides'),
    dilations: pair('dilations'),
    pads: [top, left, bottom, right],
  }
}

/** Samples, spatial size and channels of a value that a layer reads or writes. */
export interface ValueGrid {
  readonly samples: number
  readonly channels: number
  readonly height: number
  readonly width: number
}

/**
 * A value's dims as samples × positions × channels. Rows of a rank-2 value are a sample each, a vector is one row; of a
 * higher rank the first axis is the samples, the axes between are positions.
 */
export function gridOf({ layout }: LayerGeometry, dims: readonly number[]): ValueGrid {
  if (layout === 'rows' && dims.length === 1) return { samples: 1, channels: dims[0] ?? 1, height: 1, width: 1 }
  if (dims.length < 2) throw new InputError(`a layer's value needs at least two dimensions, got [${dims}]`)
  const [samples = 1, second = 1, ...rest] = dims
  if (layout === 'rows') return { samples, channels: dims.at(-1) ?? 1, height: sizeOf(dims.slice(1, -1)), width: 1 }
  return { samples, channels: second, height: rest[0] ?? 1, width: rest[1] ?? 1 }
}
