// Blocked weights as tensors: packed for MatMulNBits, or in the layout of a MatMul's weight for plain ONNX.
import { float32ToFloat16, fromFloat16Bits, packNibbles, toFloat16Bits } from '../../math/index.ts'
import { Tensor } from '../../onnx/index.ts'
import { inFloat32Behind } from '../../rewrite/index.ts'
import { blocksOf } from '../rounding/problem.ts'
import type { BlockedWeight, BlockFormat } from './block-grids.ts'

export type BlockedTensors = Readonly<Record<'q' | 'scale' | 'zero_point', Tensor>>

/** Bits of a code. */
export function bitsOf({ grids: { high } }: Pick<BlockedWeight, 'grids'>): 4 | 8 {
  return high < 16 ? 4 : 8
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
  const { rows, columns, codes, grids } = weight
  const { block, blocks } = blocksOf(grids, columns)
  const bits = bitsOf(weight)
  const each = 8 / bits
  const bytes = block / each
  const own = new Uint8Array(rows * blocks * bytes)
  const zeroBytes = Math.ceil(blocks / each)
  const zeros = new Uint8Array(rows * zeroBytes)
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const grid = row * blocks + b
      const zero = grids.zeroPoints?.[grid] ?? 0
      zeros[row * zeroBytes + Math.floor(b / each)]! |= zero << (bits * (b % each))
      for (let k = 0; k < block; k++) {
        const column = b * block + k
        const code = column < columns ? codes[row * columns + column]! + zero : zero
        own[grid * bytes + Math.floor(k / each)]! |= code << (bits * (k % each))
      }
    }
  const inOne = form === 'layer'
  return {
    q: Tensor.from('uint8', inOne ? [rows, blocks, bytes] : [rows, blocks * bytes], own),
    scale: scaleTensor(inOne ? [rows * blocks] : [rows, blocks], grids.scales, opset),
    zero_point: Tensor.from('uint8', inOne ? [rows * zeroBytes] : [rows, zeroBytes], zeros),
  }
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
  return bitsOf(weight) === 4 ? new Tensor('uint4', shape, packNibbles(values)) : Tensor.from('uint8', shape, values)
}

/** As DequantizeLinear reads them along axis 0: codes [K, N], scales and zero points [blocks, N]. */
export function inRows(weight: BlockedWeight, opset: number): BlockedTensors {
  const { rows, columns, codes, grids } = weight
  const { block, blocks } = blocksOf(grids, columns)
  const own = new Uint8Array(columns * rows)
  const zeros = new Uint8Array(blocks * rows)
  const scales = new Float64Array(blocks * rows)
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      zeros[b * rows + row] = grids.zeroPoints?.[row * blocks + b] ?? 0
      scales[b * rows + row] = grids.scales[row * blocks + b]!
    }
    for (let k = 0; k < columns; k++)
      own[k * rows + row] = codes[row * columns + k]! + zeros[Math.floor(k / block) * rows + row]!
  }
  return {
    q: codeTensor(weight, [columns, rows], own),
    scale: scaleTensor([blocks, rows], scales, opset),
    zero_point: codeTensor(weight, [blocks, rows], zeros),
  }
}

/** float32 scales, which the file holds as float16 where all of them are numbers of float16 anyway. */
function scaleTensor(shape: readonly number[], scales: Float64Array, opset: number): Tensor {
  const values = Float32Array.from(scales)
  const exact = values.every((scale) => fromFloat16Bits(toFloat16Bits(scale)) === scale)
  return exact
    ? inFloat32Behind(Tensor.from('float16', shape, float32ToFloat16(values)), opset)
    : Tensor.from('float32', shape, values)
}
