// What a layer sees: its input patches and its outputs at sampled output positions, as rows of a matrix.
import type { TensorValue } from '../base/index.ts'
import { float32Of, InputError } from '../base/index.ts'
import type { Random } from '../math/index.ts'
import { gridOf, type LayerGeometry, patchSize } from './geometry.ts'

/** Rows of float32 numbers; fits `AnyMatrix` of the math module. */
export interface Rows {
  readonly rows: number
  readonly columns: number
  readonly data: Float32Array
}

export interface GatherOptions {
  /** Default 0. */
  readonly group?: number
  /** Where to put the rows instead of a new array. */
  readonly room?: Float32Array
}

/** Which channels of a layer's output are read, and where they go. */
export interface ChosenChannels {
  readonly channels: readonly number[]
  readonly room: Float32Array
}

/** What a batch brings to a layer. */
export interface LayerBatch {
  readonly input: TensorValue
  /** Dims of the layer's output, of which the positions are. */
  readonly outputDims: readonly number[]
}

/** Output positions chosen for each sample of a batch. */
export interface Positions {
  readonly samples: number
  readonly perSample: number
  /** [samples, perSample] indices into a sample's oh·ow output positions, ascending within a sample. */
  readonly at: Int32Array
}

/**
 * Chooses up to `perSample` of `total` output positions for each sample, without replacement; all of them when there are
 * no more. Both streams of a walk must be read at the same positions: choose once.
 */
export function choosePositions(samples: number, total: number, perSample: number, random: Random): Positions {
  const count = Math.min(perSample, total)
  const at = new Int32Array(samples * count)
  const pool = Int32Array.from({ length: total }, (_, i) => i)
  for (let sample = 0; sample < samples; sample++) {
    if (count < total)
      for (let i = 0; i < count; i++) {
        const j = random.integer(i, total - 1)
        const other = pool[j]!
        pool[j] = pool[i]!
        pool[i] = other
      }
    at.set(pool.subarray(0, count).slice().sort(), sample * count)
  }
  return { samples, perSample: count, at }
}

/** Number of output positions of a sample in a layer's output value. */
export function positionsOf(geometry: LayerGeometry, outputDims: readonly number[]): number {
  const { height, width } = gridOf(geometry, outputDims)
  return height * width
}

/**
 * Input patches of one group, [samples·perSample, inputsPerGroup·kh·kw], in the order of the weight view W[o, i, u]
 * (input channel major, kernel position minor), zeros where the kernel hangs over the border.
 * @throws InputError when the input has not the channels and samples of the layer and its positions
 */
export function gatherPatches(
  geometry: LayerGeometry,
  { input, outputDims }: LayerBatch,
  positions: Positions,
  { group = 0, room }: GatherOptions = {},
): Rows {
  const { groups, inputsPerGroup } = geometry
  const grid = gridOf(geometry, input.dims)
  if (grid.channels !== groups * inputsPerGroup || grid.samples !== positions.samples)
    throw new InputError(
      `a layer of ${groups * inputsPerGroup} input channels and ${positions.samples} samples got a value of [${input.dims}]`,
    )
  const columns = patchSize(geometry)
  const rows = positions.samples * positions.perSample
  const into = { rows, columns, data: room?.subarray(0, rows * columns) ?? new Float32Array(rows * columns) }
  if (geometry.layout === 'rows') copyRows(float32Of(input), grid.channels, grid.height, positions, 0, into)
  else copyPatches(geometry, float32Of(input), grid, gridOf(geometry, outputDims).width, positions, group, into)
  return into
}

/** Outputs of one group at the same positions, [samples·perSample, outputsPerGroup]; into `room` when it is given. */
export function gatherOutputs(
  geometry: LayerGeometry,
  output: TensorValue,
  positions: Positions,
  { group = 0, room }: GatherOptions = {},
): Rows {
  const columns = geometry.outputsPerGroup
  const grid = gridOf(geometry, output.dims)
  const rows = positions.samples * positions.perSample
  const data = room?.subarray(0, rows * columns) ?? new Float32Array(rows * columns)
  const source = float32Of(output)
  const first = group * columns
  const map = grid.height * grid.width
  if (geometry.layout === 'rows') copyRows(source, grid.channels, map, positions, first, { rows, columns, data })
  else
    for (let row = 0; row < rows; row++) {
      const sample = Math.floor(row / positions.perSample)
      const from = (sample * grid.channels + first) * map + positions.at[row]!
      for (let c = 0; c < columns; c++) data[row * columns + c] = source[from + c * map]!
    }
  return { rows, columns, data }
}

/** Some channels of a layer's output at the same positions, [samples·perSample, channels.length], into `room`. */
export function gatherChannels(
  geometry: LayerGeometry,
  output: TensorValue,
  { samples, perSample, at }: Positions,
  { channels, room }: ChosenChannels,
): Rows {
  const grid = gridOf(geometry, output.dims)
  const map = grid.height * grid.width
  const source = float32Of(output)
  const conv = geometry.layout === 'conv'
  const [perChannel, perPosition] = conv ? [map, 1] : [1, grid.channels]
  const rows = samples * perSample
  const columns = channels.length
  for (let row = 0, to = 0; row < rows; row++) {
    const from = Math.floor(row / perSample) * map * grid.channels + at[row]! * perPosition
    for (const channel of channels) room[to++] = source[from + channel * perChannel]!
  }
  return { rows, columns, data: room }
}

/** Channels lie side by side: a position is `columns` numbers from channel `first` on. */
function copyRows(
  source: Float32Array,
  channels: number,
  map: number,
  { perSample, at }: Positions,
  first: number,
  { rows, columns, data }: Rows,
): void {
  for (let row = 0; row < rows; row++) {
    const from = (Math.floor(row / perSample) * map + at[row]!) * channels + first
    data.set(source.subarray(from, from + columns), row * columns)
  }
}

function copyPatches(
  { inputsPerGroup, kernel, strides, dilations, pads }: LayerGeometry,
  source: Float32Array,
  { channels, height, width }: { channels: number; height: number; width: number },
  outputWidth: number,
  { perSample, at }: Positions,
  group: number,
  { rows, columns, data }: Rows,
): void {
  const [kh, kw] = kernel
  const [dilationY, dilationX] = dilations
  const map = height * width
  const positions = kh * kw
  // Where each kernel position lies from the first one, when none hangs over the border.
  const offsets = new Int32Array(positions)
  for (let a = 0, u = 0; a < kh; a++)
    for (let b = 0; b < kw; b++, u++) offsets[u] = a * dilationY * width + b * dilationX
  const [reachY, reachX] = [(kh - 1) * dilationY, (kw - 1) * dilationX]
  for (let row = 0; row < rows; row++) {
    const position = at[row]!
    const top = Math.floor(position / outputWidth) * strides[0] - pads[0]
    const left = (position % outputWidth) * strides[1] - pads[1]
    const base = (Math.floor(row / perSample) * channels + group * inputsPerGroup) * map
    let to = row * columns
    if (top >= 0 && left >= 0 && top + reachY < height && left + reachX < width) {
      let from = base + top * width + left
      for (let i = 0; i < inputsPerGroup; i++, from += map)
        for (let u = 0; u < positions; u++, to++) data[to] = source[from + offsets[u]!]!
      continue
    }
    for (let i = 0; i < inputsPerGroup; i++)
      for (let a = 0; a < kh; a++) {
        const y = top + a * dilationY
        const line = base + i * map + y * width
        for (let b = 0; b < kw; b++, to++) {
          const x = left + b * dilationX
          data[to] = y >= 0 && y < height && x >= 0 && x < width ? source[line + x]! : 0
        }
      }
  }
}
