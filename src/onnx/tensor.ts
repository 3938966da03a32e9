// A constant of a model: immutable bytes with a dtype and a shape; typed views are made on demand.
import {
  type ArrayOf,
  float16ToFloat32,
  InputError,
  isValueType,
  makeArray,
  sizeOf,
  UnsupportedError,
  type ValueType,
} from '../base/index.ts'
import { byteLengthOf, type DType } from './dtype.ts'

/** Bytes that are read, or made, when somebody asks for them. */
export interface LazyBytes {
  readonly byteLength: number
  readonly read: () => Uint8Array
}

/** Bytes that stay in a file until somebody needs them; reading them throws an InputError when the file has changed. */
export interface StoredBytes extends LazyBytes {
  readonly file: string
  readonly offset: number
  /** All of them, or those from `from` to before `to`. */
  readonly read: (from?: number, to?: number) => Uint8Array
}

/**
 * An immutable tensor. `bytes` are little-endian, row-major, possibly unaligned (a view of the model file);
 * sub-byte types are packed two (four) to a byte, low bits first. Cloning a model shares its tensors.
 */
export class Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Of a tensor that lies in a file, or is made on demand, they are there when they are asked for, and let go soon after. */
  declare readonly bytes: Uint8Array
  /** How the bytes come when they are not in memory. */
  declare readonly lazy: LazyBytes | undefined
  /** Elements of a string tensor. */
  readonly strings: readonly Uint8Array[] | undefined
  /** What the file said beyond this (doc string, unknown fields); only read and write look inside. */
  readonly raw: unknown
  #values: ArrayOf[ValueType] | undefined

  constructor(
    dtype: DType,
    shape: readonly number[],
    bytes: Uint8Array | LazyBytes,
    more: { strings?: readonly Uint8Array[]; raw?: unknown } = {},
  ) {
    const expected = more.strings ? undefined : byteLengthOf(dtype, sizeOf(shape))
    if (expected !== undefined && expected !== bytes.byteLength)
      throw new InputError(`a ${dtype} tensor of shape [${shape}] needs ${expected} bytes, got ${bytes.byteLength}`)
    this.dtype = dtype
    this.shape = shape
    const held = bytes instanceof Uint8Array
    if (held) this.bytes = bytes
    else Object.defineProperty(this, 'bytes', { enumerable: true, get: readWhenAsked(bytes) })
    Object.defineProperty(this, 'lazy', { value: held ? undefined : bytes })
    this.strings = more.strings
    this.raw = more.raw
  }

  /** A tensor of `dtype` from a typed array (not copied: do not write to it afterwards) or from plain numbers. */
  static from<T extends ValueType>(dtype: T, shape: readonly number[], values: ArrayOf[T] | readonly number[]): Tensor {
    const data = ArrayBuffer.isView(values) ? values : fill(makeArray(dtype, values.length), values)
    return new Tensor(dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  /** A tensor whose elements are made whenever somebody asks for them, always the same ones: of something large that is written once. */
  static onDemand(dtype: DType, shape: readonly number[], make: () => ArrayBufferView): Tensor {
    const read = () => {
      const { buffer, byteOffset, byteLength } = make()
      return new Uint8Array(buffer, byteOffset, byteLength)
    }
    return new Tensor(dtype, shape, { byteLength: byteLengthOf(dtype, sizeOf(shape)) ?? 0, read })
  }

  /** A float32 tensor of one element and rank 0. */
  static scalar(value: number): Tensor {
    return Tensor.from('float32', [], [value])
  }

  /** Where the bytes lie when they stay in a file. */
  get stored(): StoredBytes | undefined {
    return this.lazy && 'file' in this.lazy ? (this.lazy as StoredBytes) : undefined
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /** Bytes of the elements; they are not read for it. */
  get byteLength(): number {
    return (this.lazy ?? this.bytes).byteLength
  }

  /**
   * The elements in the typed array of their own dtype (float16 and bfloat16 as bits). Copied to aligned memory at the
   * first call when the file had them unaligned. Do not write to it.
   */
  values(): ArrayOf[ValueType] {
    if (this.#values) return this.#values
    const dtype = this.dtype === 'bfloat16' ? 'uint16' : this.dtype
    if (!isValueType(dtype)) throw new UnsupportedError(`cannot read the elements of a ${this.dtype} tensor`)
    const kind = makeArray(dtype, 0)
    const { bytes } = this
    const aligned = bytes.byteOffset % kind.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes)
    const values = viewOf(dtype, aligned)
    if (!this.lazy) this.#values = values
    return values
  }

  /** The elements as numbers (64-bit integers are converted). For shapes, axes and other short lists. */
  numbers(): number[] {
    return Array.from(this.values(), Number)
  }

  /** The elements as float32; float64, float16, bfloat16 and integers are converted. Do not write to it. */
  floats(): Float32Array {
    const values = this.values()
    if (values instanceof Float32Array) return values
    if (this.dtype === 'float16' && values instanceof Uint16Array) return float16ToFloat32(values)
    if (this.dtype === 'bfloat16' && values instanceof Uint16Array) {
      const wide = new Uint32Array(values.length)
      for (let i = 0; i < wide.length; i++) wide[i] = values[i]! << 16
      return new Float32Array(wide.buffer)
    }
    const floats = new Float32Array(values.length)
    for (let i = 0; i < floats.length; i++) floats[i] = Number(values[i])
    return floats
  }

  /** The same elements in another shape. */
  reshape(shape: readonly number[]): Tensor {
    return new Tensor(this.dtype, shape, this.lazy ?? this.bytes)
  }
}

/** What was read last of tensors that lie in files, oldest first: whoever asks in a loop must not read in a loop. */
const recent = new Map<LazyBytes, Uint8Array>()
/** Bytes that are kept of it. */
const RECENT_BYTES = 2 ** 24
let recentBytes = 0

/** Weak references would keep all that one step reads until it ends: the whole model. */
function readWhenAsked(lazy: LazyBytes): () => Uint8Array {
  return () => {
    const known = recent.get(lazy)
    if (known) return known
    const bytes = lazy.read()
    recent.set(lazy, bytes)
    recentBytes += bytes.byteLength
    for (const [oldest, { byteLength }] of recent) {
      if (recentBytes <= RECENT_BYTES || oldest === lazy) break
      recent.delete(oldest)
      recentBytes -= byteLength
    }
    return bytes
  }
}

function fill<T extends ValueType>(data: ArrayOf[T], values: readonly number[]): ArrayOf[T] {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value)
    else data[i] = value
  }
  return data
}

function viewOf(dtype: ValueType, bytes: Uint8Array): ArrayOf[ValueType] {
  const kind = makeArray(dtype, 0)
  const length = bytes.byteLength / kind.BYTES_PER_ELEMENT
  const View = kind.constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayOf[ValueType]
  return new View(bytes.buffer, bytes.byteOffset, length)
}
