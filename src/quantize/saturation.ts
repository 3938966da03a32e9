// Where kernels of bytes lose what they add up: x64 without VNNI multiplies uint8 by int8 and adds two products in 16 bits.
import type { TensorValue } from '../base/index.ts'
import {
  choosePositions,
  gatherPatches,
  geometryOf,
  kernelOf,
  type LayerGeometry,
  positionsOf,
} from '../calibrate/index.ts'
import { randomStream } from '../math/index.ts'
import type { CodeLayer } from '../onnx/index.ts'

/** What saturation does to a layer on some samples. */
export interface Saturation {
  /** Output channels with at least one sum that saturates. */
  readonly channels: readonly number[]
  /** Share of the sums that do. */
  readonly share: number
  /** Largest error of a sum, in real units: the product of both scales is in it. */
  readonly error: number
}

/** Output positions that are looked at, of a sample. */
const POSITIONS = 32

/**
 * What a kernel that adds pairs of products in 16 bits (vpmaddubsw) makes of a layer on these codes, against exact sums: neighbours in the
 * order of the kernel are input channels at one position. Nothing of this happens where a layer's weight is uint8, or each output is made
 * from one input, which other kernels do.
 * @param input codes that the layer reads, of one batch; int8 ones are moved to uint8, as ONNX Runtime does
 * @param outputDims dims of the layer's output
 * @returns undefined where the layer has no such kernel, or its shape is not known to us
 */
export function saturationOf(
  { layer, scale, read }: CodeLayer,
  input: TensorValue,
  outputDims: readonly number[],
): Saturation | undefined {
  const geometry = geometryOf(layer)
  const bytes = input.data instanceof Uint8Array || input.data instanceof Int8Array
  const { view, weight } = layer
  const alone = view?.inputsPerGroup === 1 && view.outputs === view.groups
  if (!read || !bytes || typeof geometry === 'string' || weight.dtype !== 'int8' || alone) return undefined
  const zero = (read.zeroPoint?.numbers()[0] ?? 0) as number
  // Borders are zero points: as differences from it they are the zeros that are gathered there.
  const values = Float32Array.from(input.data, (code) => code - zero)
  const shifted: TensorValue = { dtype: 'float32', dims: input.dims, data: values }
  const raise = zero + (input.data instanceof Int8Array ? 128 : 0)
  const samples = input.dims[0] ?? 1
  const positions = choosePositions(
    samples,
    positionsOf(geometry, outputDims),
    POSITIONS,
    randomStream(0, 'saturation'),
  )
  const scales = scale.floats()
  const unit = read.scale.floats()[0] ?? 1
  const channels: number[] = []
  let [saturated, sums, error] = [0, 0, 0]
  for (let group = 0; group < geometry.groups; group++) {
    const { rows, columns, data } = gatherPatches(geometry, { input: shifted, outputDims }, positions, { group })
    const order = kernelOrder(geometry, columns)
    const patches = Array.from({ length: rows }, (_, row) =>
      Float64Array.from(order, (at) => (data[row * columns + at] ?? 0) + raise),
    )
    const kernel = kernelOf(layer, geometry, group)
    for (let o = 0; o < kernel.rows; o++) {
      const weights = Float64Array.from(order, (at) => kernel.data[o * columns + at] ?? 0)
      const channel = group * kernel.rows + o
      const factor = unit * (scales[scales.length === 1 ? 0 : channel] ?? 1)
      let hit = false
      for (const patch of patches) {
        const lost = lostBy(patch, weights)
        sums++
        if (lost === 0) continue
        saturated++
        hit = true
        error = Math.max(error, Math.abs(lost) * factor)
      }
      if (hit) channels.push(channel)
    }
  }
  return { channels, share: sums === 0 ? 0 : saturated / sums, error }
}

/** From [input channel, position], as weights lie, to [position, input channel], as kernels read them. */
function kernelOrder({ inputsPerGroup }: LayerGeometry, columns: number): Int32Array {
  const positions = columns / inputsPerGroup
  return Int32Array.from(
    { length: columns },
    (_, k) => (k % inputsPerGroup) * positions + Math.floor(k / inputsPerGroup),
  )
}

/** What a sum of products loses by the saturation of pairs. */
function lostBy(codes: Float64Array, weights: Float64Array): number {
  let lost = 0
  for (let k = 0; k + 1 < codes.length; k += 2) {
    const pair = codes[k]! * weights[k]! + codes[k + 1]! * weights[k + 1]!
    if (pair > 32767) lost += pair - 32767
    else if (pair < -32768) lost += pair + 32768
  }
  return lost
}
