// Large tensors on their way into a file: the encoder writes a mark for each, and the bytes are put in where the mark stands. It
// would grow its buffer and move all that is in it several times; so everything is copied once.
import type { StoredBytes } from './tensor.ts'
import { BYTES, endOf, joined, type Message, modelMessage, readVarint, varint } from './wire.ts'

/** Bytes from which on a tensor is put in later, and taken out of a file that is read. */
export const LARGE_TENSOR: number = 2 ** 16

/** Begins every mark; a tensor that happens to begin like one is put in later, too. */
const MARK = new TextEncoder().encode('onnxpress tensor')

/** Bytes that may still lie in a file. */
interface Held {
  readonly byteLength: number
  readonly bytes: Uint8Array
  readonly stored?: StoredBytes | undefined
}

/** A piece of an encoded model: bytes, or those of a tensor. */
export type ModelPart = Uint8Array | Held

/** Takes large tensors out of what is encoded, and puts them into what comes out. */
export class TensorSplicer {
  readonly #tensors: Held[] = []

  /** What to encode: the bytes themselves, or a mark for them. */
  take(tensor: Held): Uint8Array {
    if (tensor.byteLength < LARGE_TENSOR && !isMark(tensor.bytes)) return tensor.bytes
    return markOf(this.#tensors.push(tensor) - 1)
  }

  /** The bytes of a model with every mark replaced. */
  finish(bytes: Uint8Array): Uint8Array {
    return this.#tensors.length === 0
      ? bytes
      : joined(this.parts(bytes).map((part) => (part instanceof Uint8Array ? part : part.bytes)))
  }

  /** How many bytes `finish` gives; no tensor is read for it. */
  length(bytes: Uint8Array): number {
    return lengthOf(this.parts(bytes))
  }

  /** The pieces of what `finish` gives; no tensor is read for it. */
  parts(bytes: Uint8Array): readonly ModelPart[] {
    return this.#message(bytes, modelMessage) ?? [bytes]
  }

  /** Parts of a message in which something was replaced; undefined when nothing was. */
  #message(bytes: Uint8Array, kind: Message): ModelPart[] | undefined {
    const parts: ModelPart[] = []
    let copied = 0
    for (let at = 0; at < bytes.length; ) {
      const tag = readVarint(bytes, at)
      const number = Math.floor((tag?.value ?? 0) / 8)
      const wire = (tag?.value ?? 0) % 8
      const body = tag && (wire === BYTES ? readVarint(bytes, tag.end) : { value: 0, end: tag.end })
      const end = body && endOf(bytes, wire, body)
      if (!body || end === undefined) throw new Error('an encoded model is not a protobuf message')
      const inside = wire === BYTES ? this.#field(bytes.subarray(body.end, end), number, kind) : undefined
      if (inside) {
        const head = Uint8Array.from([...varint(tag.value), ...varint(lengthOf(inside))])
        parts.push(bytes.subarray(copied, at), head, ...inside)
        copied = end
      }
      at = end
    }
    return copied === 0 ? undefined : [...parts, bytes.subarray(copied)]
  }

  #field(body: Uint8Array, number: number, kind: Message): ModelPart[] | undefined {
    const at = kind.raw === number ? markedBy(body) : undefined
    if (at !== undefined) return [this.#tensors[at] ?? body]
    const inside = kind.raw === number ? undefined : kind.fields[number]
    return inside && this.#message(body, inside())
  }
}

const lengthOf = (parts: readonly ModelPart[]) => parts.reduce((sum, { byteLength }) => sum + byteLength, 0)

/** What stands for a tensor: its number among those that were taken out. */
export function markOf(index: number): Uint8Array {
  const mark = new Uint8Array(MARK.length + 4)
  mark.set(MARK)
  new DataView(mark.buffer).setUint32(MARK.length, index)
  return mark
}

/** The number in a mark; undefined where the bytes are none. */
export function markedBy(bytes: Uint8Array): number | undefined {
  if (!isMark(bytes)) return undefined
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(MARK.length)
}

/** Do bytes look like a mark? */
export function isMark(bytes: Uint8Array): boolean {
  return bytes.length === MARK.length + 4 && MARK.every((byte, i) => bytes[i] === byte)
}
