// Blocked weights as tensors: packed for MatMulNBits, or in the layout of a MatMul's weight for plain ONNX.
import { float32ToFloat16, fromFloat16Bits, packNibbles, toFloat16Bits } from '../../math/index.ts'
import { Tensor } from '../../onnx/index.ts'
import { inFloat32Behind } from '../../rewrite/index.ts'
import { blocksOf } from '../rounding/problem.ts'
import type { BlockedPart, BlockedWeight, BlockFormat } from './block-grids.ts'

export type BlockedTensors = Readonly<Record<'q' | 'scale' | 'zero_point', Tensor>>

/** The format that a weight lies in. */
export function formatOf({ inParts, grids, columns }: BlockedWeight): BlockFormat {
  return inParts?.format ?? { block: blocksOf(grids, columns).block, bits: grids.high < 16 ? 4 : 8 }
}

/** Bytes of a weight [rows, columns] in blocks, as it is stored: codes, scales of float16, zero points. */
export function bytesOfBlocked(rows: number, columns: number, { block, bits }: BlockFormat): number {
  const blocks = Math.max(1, Math.ceil(columns / block))
  return rows * ((blocks * block * bits) / 8 + 2 * blocks + Math.ceil((blocks * bits) / 8))
}

/**
 * As MatMulNBits reads them, with 4 bits two codes a byte, the lower one first: codes [N, blocks, block·bits / 8], scales [N · blocks],
 * zero points [N, ⌈blocks·bits / 8⌉].
 * @param form rows: with one row for each output, as GatherBlockQuantized picks them
 */
export function packed(weight: BlockedWeight, opset: number, form: 'layer' | 'rows' = 'layer'): BlockedTensors {
  const { rows } = weight
  const { blocks, bytes, zeroBytes } = packingOf(weight)
  const inOne = form === 'layer'
  const { scales, zeros } = packedGrids(weight)
  return {
    q: codesTensor(weight, 'uint8', inOne ? [rows, blocks, bytes] : [rows, blocks * bytes], packedCodes),
    scale: scaleTensor(inOne ? [rows * blocks] : [rows, blocks], scales, opset),
    zero_point: Tensor.from('uint8', inOne ? [rows * zeroBytes] : [rows, zeroBytes], zeros),
  }
}

/** Sizes of a packed weight: blocks of a row, bytes of a block, bytes of a row's zero points. */
function packingOf(weight: BlockedWeight) {
  const { block, bits } = formatOf(weight)
  const each = 8 / bits
  const blocks = Math.max(1, Math.ceil(weight.columns / block))
  return { block, bits, each, blocks, bytes: block / each, zeroBytes: Math.ceil(blocks / each) }
}

/** The rows of a weight: all at once, or part by part. */
function partsOf(weight: BlockedWeight): Iterable<BlockedPart> {
  return weight.inParts?.parts() ?? [{ ...weight, from: 0 }]
}

function packedGrids(weight: BlockedWeight): { readonly scales: Float64Array; readonly zeros: Uint8Array } {
  const { bits, each, blocks, zeroBytes } = packingOf(weight)
  const scales = new Float64Array(weight.rows * blocks)
  const zeros = new Uint8Array(weight.rows * zeroBytes)
  for (const { from, rows, grids } of partsOf(weight)) {
    scales.set(grids.scales, from * blocks)
    for (let row = 0; row < rows; row++)
      for (let b = 0; b < blocks; b++) {
        const zero = grids.zeroPoints?.[row * blocks + b] ?? 0
        zeros[(from + row) * zeroBytes + Math.floor(b / each)]! |= zero << (bits * (b % each))
      }
  }
  return { scales, zeros }
}

function packedCodes(weight: BlockedWeight): Uint8Array {
  const { block, bits, each, blocks, bytes } = packingOf(weight)
  const { columns } = weight
  const own = new Uint8Array(weight.rows * blocks * bytes)
  for (const { from, rows, codes, grids } of partsOf(weight))
    for (let row = 0; row < rows; row++)
      for (let b = 0; b < blocks; b++) {
        const start = ((from + row) * blocks + b) * bytes
        const zero = grids.zeroPoints?.[row * blocks + b] ?? 0
        for (let k = 0; k < block; k++) {
          const column = b * block + k
          const code = column < columns ? codes[row * columns + column]! + zero : zero
          own[start + Math.floor(k / each)]! |= code << (bits * (k % each))
        }
      }
  return own
}

/** Codes as a tensor; those of a weight in parts are made when somebody asks for them. */
function codesTensor(
  weight: BlockedWeight,
  dtype: 'uint8' | 'uint4',
  shape: readonly number[],
  make: (weight: BlockedWeight) => Uint8Array,
): Tensor {
  return weight.inParts ? Tensor.onDemand(dtype, shape, () => make(weight)) : new Tensor(dtype, shape, make(weight))
}

/** As DequantizeLinear reads them along axis 1: codes [N, K], scales and zero points [N, blocks]. */
export function inColumns(weight: BlockedWeight, opset: number): BlockedTensors {
  const { rows, columns, codes, grids } = weight
  const { block, blocks } = blocksOf(grids, columns)
  const zeros = Uint8Array.from(grids.zeroPoints ?? new Float64Array(rows * blocks))
  const own = Uint8Array.from(
    codes,
    (code, i) => code + zeros[Math.floor(i / columns) * blocks + Math.floor((i % columns) / block)]!,
  )
  return {
    q: codeTensor(weight, [rows, columns], own),
    scale: scaleTensor([rows, blocks], grids.scales, opset),
    zero_point: codeTensor(weight, [rows, blocks], zeros),
  }
}

function codeTensor(weight: BlockedWeight, shape: readonly number[], values: Uint8Array): Tensor {
  return formatOf(weight).bits === 4
    ? new Tensor('uint4', shape, packNibbles(values))
    : Tensor.from('uint8', shape, values)
}

/** As DequantizeLinear reads them along axis 0: codes [K, N], scales and zero points [blocks, N]. */
export function inRows(weight: BlockedWeight, opset: number): BlockedTensors {
  const { rows, columns } = weight
  const { blocks, bits } = packingOf(weight)
  const zeros = new Uint8Array(blocks * rows)
  const scales = new Float64Array(blocks * rows)
  for (const { from, rows: some, grids } of partsOf(weight))
    for (let row = 0; row < some; row++)
      for (let b = 0; b < blocks; b++) {
        zeros[b * rows + from + row] = grids.zeroPoints?.[row * blocks + b] ?? 0
        scales[b * rows + from + row] = grids.scales[row * blocks + b]!
      }
  return {
    q: codesTensor(weight, bits === 4 ? 'uint4' : 'uint8', [columns, rows], codesInRows),
    scale: scaleTensor([blocks, rows], scales, opset),
    zero_point: codeTensor(weight, [blocks, rows], zeros),
  }
}

/** Codes [K, N] as they are stored. */
function codesInRows(weight: BlockedWeight): Uint8Array {
  const { rows, columns } = weight
  const { block, bits, blocks } = packingOf(weight)
  const own = new Uint8Array(columns * rows)
  for (const { from, rows: some, codes, grids } of partsOf(weight))
    for (let row = 0; row < some; row++)
      for (let k = 0; k < columns; k++)
        own[k * rows + from + row] =
          codes[row * columns + k]! + (grids.zeroPoints?.[row * blocks + Math.floor(k / block)] ?? 0)
  return bits === 4 ? packNibbles(own) : own
}

/** float32 scales, which the file holds as float16 where all of them are numbers of float16 anyway. */
function scaleTensor(shape: readonly number[], scales: Float64Array, opset: number): Tensor {
  const values = Float32Array.from(scales)
  const exact = values.every((scale) => fromFloat16Bits(toFloat16Bits(scale)) === scale)
  return exact
    ? inFloat32Behind(Tensor.from('float16', shape, float32ToFloat16(values)), opset)
    : Tensor.from('float32', shape, values)
}
