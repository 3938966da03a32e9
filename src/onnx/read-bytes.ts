// The bytes of a tensor that lie in the message itself.
import { byteLengthOf, type DType } from './dtype.ts'
import type { TensorProto } from './generated/onnx_pb.ts'

/** raw_data, or the typed field that this element type uses. Typed 32-bit fields also carry the smaller types. */
export function inlineBytes(raw: TensorProto, dtype: DType): Uint8Array {
  if (raw.rawData.byteLength > 0) return raw.rawData
  if (raw.floatData.byteLength > 0) return raw.floatData
  if (raw.doubleData.byteLength > 0) return raw.doubleData
  if (raw.int64Data.length > 0) return bytesOf(BigInt64Array.from(raw.int64Data))
  if (raw.uint64Data.length > 0)
    return bytesOf(dtype === 'uint32' ? Uint32Array.from(raw.uint64Data, Number) : BigUint64Array.from(raw.uint64Data))
  if (raw.int32Data.length > 0) {
    const width = byteLengthOf(dtype, 1)
    if (dtype === 'int32') return bytesOf(Int32Array.from(raw.int32Data))
    return bytesOf(width === 2 ? Uint16Array.from(raw.int32Data) : Uint8Array.from(raw.int32Data))
  }
  return new Uint8Array(0)
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
