// Protobuf on the wire, as far as it takes to find the tensors of a model in its bytes.

/** Protobuf's wire types. */
const VARINT = 0
const FIXED64 = 1
export const BYTES = 2
const FIXED32 = 5

/** Field number → the message inside it. What is not listed holds no tensor. */
export interface Message {
  readonly fields: Readonly<Record<number, () => Message>>
  /** Fields of fixed-size numbers. */
  readonly packed?: readonly number[]
  /** The field of a tensor's bytes. */
  readonly raw?: number
}

const tensor: Message = { fields: {}, packed: [4, 10], raw: 9 }
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
/** A whole model. */
export const modelMessage: Message = { fields: { 7: () => graph, 25: () => func } }

/** Where a field ends whose tag was read; undefined when its type is none. */
export function endOf(
  bytes: Uint8Array,
  wire: number,
  body: { readonly value: number; readonly end: number },
): number | undefined {
  if (wire === VARINT) return readVarint(bytes, body.end)?.end
  if (wire === FIXED64) return body.end + 8
  if (wire === FIXED32) return body.end + 4
  return wire === BYTES ? body.end + body.value : undefined
}

/** A varint; values above 2^53 lose digits, which are never needed here. */
export function readVarint(
  bytes: Uint8Array,
  from: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, end: from + i + 1 }
  }
  return undefined
}

/** The bytes of a varint. */
export function varint(value: number): number[] {
  const digits: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...digits, left]
    digits.push((left % 128) + 128)
  }
}

/** A field of bytes, its tag and length in front. */
export function field(number: number, body: Uint8Array): Uint8Array {
  return joined([Uint8Array.from([...varint(number * 8 + BYTES), ...varint(body.length)]), body])
}

/** One array of all parts, copied once. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
