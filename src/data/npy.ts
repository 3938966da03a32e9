// The header of a NumPy .npy file, versions 1 to 3: what follows it, and where.
import { InputError, UnsupportedError, type ValueType } from '../base/index.ts'

export interface NpyHeader {
  readonly dtype: ValueType
  readonly shape: readonly number[]
  /** Where the values begin. */
  readonly offset: number
}

const types: Readonly<Record<string, ValueType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
}

/** Do these bytes begin a .npy file? */
export function isNpy(bytes: Uint8Array): boolean {
  return [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59].every((byte, index) => bytes[index] === byte)
}

/**
 * Reads the header from the first bytes of a file (64 kB are plenty).
 * @throws InputError when it is no .npy header, UnsupportedError for big-endian, Fortran-order or structured arrays
 */
export function readNpyHeader(bytes: Uint8Array, file: string): NpyHeader {
  const fail = (problem: string) => new InputError(`cannot read ${file}: ${problem}`, { file })
  if (!isNpy(bytes)) throw fail('it does not begin like a .npy file')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = (bytes[6] ?? 0) >= 2
  const start = wide ? 12 : 10
  if (bytes.length < start) throw fail('its header is cut off')
  const offset = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true))
  if (bytes.length < offset) throw fail(`its header should end at byte ${offset}, there are ${bytes.length}`)
  const text = new TextDecoder().decode(bytes.subarray(start, offset))
  const descr = /'descr':\s*'([<>|=])(\w+)'/.exec(text)
  const dims = /'shape':\s*\(([\d,\sL]*)\)/.exec(text)
  if (!descr || !dims) throw fail(`its header ${text.trim()} describes no plain array`)
  const dtype = types[descr[2]!]
  if (!dtype || (descr[1] === '>' && !/1$/.test(descr[2]!)))
    throw new UnsupportedError(
      `cannot read ${file}: element type ${descr[1]}${descr[2]} is not supported; save it little-endian as float or integer numbers`,
      { file },
    )
  if (/'fortran_order':\s*True/.test(text))
    throw new UnsupportedError(`cannot read ${file}: it is in Fortran order; save numpy.ascontiguousarray(x)`, { file })
  const shape = dims[1]!.split(',').flatMap((dim) => (dim.trim() === '' ? [] : [Number.parseInt(dim, 10)]))
  return { dtype, shape, offset }
}
