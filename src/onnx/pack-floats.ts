// Floats of tensors written one by one, or in several chunks, become one packed field: our schema reads them as bytes.

/** Protobuf's wire types. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** Field number → the message inside it. What is not listed holds no tensor. */
interface Message {
  readonly fields: Readonly<Record<number, () => Message>>
  /** Fields of fixed-size numbers. */
  readonly packed?: readonly number[]
}

const tensor: Message = { fields: {}, packed: [4, 10] }
const sparse: Message = { fields: { 1: () => tensor, 2: () => tensor } }
const attribute: Message = {
  fields: {
    5: () => tensor,
    6: () => graph,
    10: () => tensor,
    11: () => graph,
    22: () => sparse,
    23: () => sparse,
  },
}
const node: Message = { fields: { 5: () => attribute } }
const graph: Message = { fields: { 1: () => node, 5: () => tensor, 15: () => sparse } }
const func: Message = { fields: { 7: () => node, 11: () => attribute } }
const model: Message = { fields: { 7: () => graph, 25: () => func } }

/**
 * The bytes of an ONNX model with `float_data` and `double_data` of every tensor as one packed field, as most writers have it.
 * Undefined when that changes nothing, or when the bytes are no protobuf message.
 */
export function packFloats(bytes: Uint8Array): Uint8Array | undefined {
  const repacker = new Repacker()
  const packed = repacker.message(bytes, model)
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

function endOf(bytes: Uint8Array, wire: number, body: { readonly value: number; readonly end: number }) {
  if (wire === VARINT) return readVarint(bytes, body.end)?.end
  if (wire === FIXED64) return body.end + 8
  if (wire === FIXED32) return body.end + 4
  return wire === BYTES ? body.end + body.value : undefined
}

/** A varint; values above 2^53 lose digits, which are never needed here. */
function readVarint(bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, end: from + i + 1 }
  }
  return undefined
}

function varint(value: number): number[] {
  const digits: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...digits, left]
    digits.push((left % 128) + 128)
  }
}

function field(number: number, body: Uint8Array): Uint8Array {
  return joined([Uint8Array.from([...varint(number * 8 + BYTES), ...varint(body.length)]), body])
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
