// Samples of equal size in a file, read one at a time: raw blocks, records, .npy and idx are the same thing here.
import { bytesPerElement, InputError, makeArray, sizeOf, type TensorValue, type ValueType } from '../base/index.ts'
import { type ByteSource, openBytes } from './byte-source.node.ts'
import type { RawBlock } from './description.ts'
import { readIdxHeader } from './idx.ts'
import { readNpyHeader } from './npy.ts'

/** `count` samples of one form. */
export interface Block {
  readonly file: string
  readonly dtype: ValueType
  /** Dims of one sample, without a batch axis. */
  readonly dims: readonly number[]
  readonly count: number
  readonly read: (index: number) => Promise<TensorValue>
}

export interface BlockLayout {
  readonly dtype: ValueType
  readonly dims: readonly number[]
  readonly count: number
  /** Bytes before the first sample's values. */
  readonly offset: number
  /** Bytes from one sample to the next; the values of one sample if not given. */
  readonly stride?: number
  readonly bigEndian?: boolean
}

/** Samples that lie in `bytes` as the layout says. @throws InputError when there are not enough bytes */
export function blockOf(bytes: ByteSource, layout: BlockLayout): Block {
  const { dtype, dims, count, offset, bigEndian = false } = layout
  const sampleBytes = sizeOf(dims) * bytesPerElement(dtype)
  const stride = layout.stride ?? sampleBytes
  const needed = count === 0 ? 0 : offset + (count - 1) * stride + sampleBytes
  if (bytes.length < needed)
    throw new InputError(
      `${bytes.file} has ${bytes.length} bytes, ${count} samples of ${dtype}[${dims}] need ${needed}`,
      { file: bytes.file },
    )
  return {
    file: bytes.file,
    dtype,
    dims,
    count,
    read: async (index) => {
      const stored = await bytes.read(offset + index * stride, sampleBytes)
      return { dtype, dims, data: decodeValues(stored, dtype, bigEndian) }
    },
  }
}

function decodeValues(bytes: Uint8Array, dtype: ValueType, bigEndian: boolean): TensorValue['data'] {
  const size = bytesPerElement(dtype)
  const data = makeArray(dtype, bytes.length / size)
  const target = new Uint8Array(data.buffer)
  target.set(bytes)
  if (bigEndian && size > 1) for (let at = 0; at < target.length; at += size) target.subarray(at, at + size).reverse()
  return data
}

/** A raw block: little-endian, the first axis counts the samples. @throws InputError when the file has another size */
export async function openRaw(block: RawBlock): Promise<Block> {
  const bytes = await openBytes(block.file)
  const [count = 0, ...dims] = block.shape
  const needed = sizeOf(block.shape) * bytesPerElement(block.dtype)
  if (bytes.length !== needed)
    throw new InputError(
      `${block.file} has ${bytes.length} bytes, ${block.dtype}[${block.shape}] needs ${needed}; check dtype and shape`,
      { file: block.file },
    )
  return blockOf(bytes, { dtype: block.dtype, dims, count, offset: 0 })
}

/** The whole array of a .npy or idx file, gzipped or not; the first axis counts the samples. */
export async function openArray(file: string, format: 'npy' | 'idx', sampleShape?: readonly number[]): Promise<Block> {
  const bytes = await openBytes(file)
  const head = await bytes.read(0, 65536)
  const header = format === 'npy' ? readNpyHeader(head, file) : readIdxHeader(head, file)
  const [count, ...dims] = header.shape
  if (count === undefined)
    throw new InputError(`${file} holds a single number; its first axis must count the samples`, { file })
  if (sampleShape && sizeOf(sampleShape) !== sizeOf(dims))
    throw new InputError(`${file} has samples of [${dims}], which cannot become "sampleShape" [${sampleShape}]`, {
      file,
    })
  const { dtype, offset } = header
  return blockOf(bytes, { dtype, dims: sampleShape ?? dims, count, offset, bigEndian: format === 'idx' })
}
