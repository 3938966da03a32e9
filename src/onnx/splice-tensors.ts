// Large tensors on their way into a file: the encoder writes a mark for each, and the bytes are put in where the mark stands. It
// would grow its buffer and move all that is in it several times; so everything is copied once.
import type { Tensor } from './tensor.ts'
import { BYTES, endOf, type Message, modelMessage, readVarint, varint } from './wire.ts'

/** A piece of an encoded model: bytes, or those of a tensor, which may still lie in a file. */
export type ModelPart = Uint8Array | Tensor

/** Bytes from which on a tensor is put in later. */
const LARGE = 2 ** 16

/** Begins every mark; a tensor that happens to begin like one is put in later, too. */
const MARK = new TextEncoder().encode('onnxpress tensor')

/** Takes large tensors out of what is encoded, and puts them into what comes out. */
export class TensorSplicer {
  readonly #tensors: Tensor[] = []

  /** What to encode: the tensor's bytes, or a mark for them. */
  take(tensor: Tensor): Uint8Array {
    if (tensor.byteLength < LARGE && !isMark(tensor.bytes)) return tensor.bytes
    const mark = new Uint8Array(MARK.length + 4)
    mark.set(MARK)
    new DataView(mark.buffer).setUint32(MARK.length, this.#tensors.push(tensor) - 1)
    return mark
  }

  /** The parts of a model with every mark replaced. */
  finish(bytes: Uint8Array): readonly ModelPart[] {
    return this.#tensors.length === 0 ? [bytes] : (this.#message(bytes, modelMessage) ?? [bytes])
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
        const length = inside.reduce((sum, { byteLength }) => sum + byteLength, 0)
        parts.push(bytes.subarray(copied, at), Uint8Array.from([...varint(tag.value), ...varint(length)]), ...inside)
        copied = end
      }
      at = end
    }
    return copied === 0 ? undefined : [...parts, bytes.subarray(copied)]
  }

  #field(body: Uint8Array, number: number, kind: Message): ModelPart[] | undefined {
    if (kind.raw === number) return isMark(body) ? [this.#tensorOf(body)] : undefined
    const inside = kind.fields[number]
    return inside && this.#message(body, inside())
  }

  #tensorOf(mark: Uint8Array): ModelPart {
    const index = new DataView(mark.buffer, mark.byteOffset).getUint32(MARK.length)
    return this.#tensors[index] ?? mark
  }
}

function isMark(bytes: Uint8Array): boolean {
  return bytes.length === MARK.length + 4 && MARK.every((byte, i) => bytes[i] === byte)
}
