// Floats of tensors written one by one, or in several chunks, become one packed field: our schema reads them as bytes.

import { BYTES, endOf, field, joined, type Message, modelMessage, readVarint } from './wire.ts'

/**
 * The bytes of an ONNX model with `float_data` and `double_data` of every tensor as one packed field, as most writers have it.
 * Undefined when that changes nothing, or when the bytes are not a protobuf message.
 */
export function packFloats(bytes: Uint8Array): Uint8Array | undefined {
  const repacker = new Repacker()
  const packed = repacker.message(bytes, modelMessage)
  return packed && repacker.changed ? packed : undefined
}

class Repacker {
  changed = false

  message(bytes: Uint8Array, kind: Message): Uint8Array | undefined {
    const parts: Uint8Array[] = []
    const chunks = new Map<number, Uint8Array[]>()
    for (let at = 0; at < bytes.length; ) {
      const tag = readVarint(bytes, at)
      if (!tag) return undefined
      const number = Math.floor(tag.value / 8)
      const wire = tag.value % 8
      const body = wire === BYTES ? readVarint(bytes, tag.end) : { value: 0, end: tag.end }
      const end = body && endOf(bytes, wire, body)
      if (!body || end === undefined || end > bytes.length) return undefined
      const inside = kind.fields[number]
      if (kind.packed?.includes(number)) {
        const known = chunks.get(number) ?? []
        this.changed ||= wire !== BYTES || known.length > 0
        known.push(bytes.subarray(wire === BYTES ? body.end : tag.end, end))
        chunks.set(number, known)
      } else if (inside && wire === BYTES) {
        const inner = this.message(bytes.subarray(body.end, end), inside())
        if (!inner) return undefined
        parts.push(field(number, inner))
      } else parts.push(bytes.subarray(at, end))
      at = end
    }
    for (const [number, list] of chunks) parts.push(field(number, joined(list)))
    return joined(parts)
  }
}
