// The header of an idx file (the MNIST format): big-endian, 0 0 type rank, then the sizes.
import { InputError, sizeOf, type ValueType } from '../base/index.ts'

export interface IdxHeader {
  readonly dtype: ValueType
  readonly shape: readonly number[]
  /** Where the values begin. They are big-endian. */
  readonly offset: number
}

const types: Readonly<Record<number, ValueType>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
}

/** Do these bytes begin an idx file? */
export function isIdx(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0 && types[bytes[2] ?? 0] !== undefined && (bytes[3] ?? 0) > 0
}

/** Reads the header from the first bytes of a (decompressed) file. @throws InputError when it is none */
export function readIdxHeader(bytes: Uint8Array, file: string): IdxHeader {
  const dtype = types[bytes[2] ?? 0]
  const rank = bytes[3] ?? 0
  const offset = 4 + 4 * rank
  if (!isIdx(bytes) || !dtype || bytes.length < offset)
    throw new InputError(`cannot read ${file}: it does not begin like an idx file (0 0 type rank, then sizes)`, {
      file,
    })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  if (!Number.isSafeInteger(sizeOf(shape)))
    throw new InputError(`cannot read ${file}: its sizes [${shape}] are too large`, { file })
  return { dtype, shape, offset }
}
