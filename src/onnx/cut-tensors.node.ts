// A large model file without its large tensors: what is decoded then is a small message, and the tensors stay where they are.
import { closeSync, fstatSync, openSync } from 'node:fs'
import { readFully } from './data-files.node.ts'
import { isMark, LARGE_TENSOR, markOf } from './splice-tensors.ts'
import { BYTES, endOf, joined, type Message, readVarint, varint } from './wire.ts'

/** Where the bytes of a tensor lie in the file. */
export interface CutTensor {
  readonly offset: number
  readonly length: number
}

/** A model with marks instead of its large tensors, which stand in the order of their marks. */
export interface CutModel {
  readonly bytes: Uint8Array
  readonly tensors: readonly CutTensor[]
}

// Only tensors that are read into a Tensor of their own: functions and lists of tensors are kept as they are encoded.
const tensor: Message = { fields: {}, raw: 9 }
const attribute: Message = { fields: { 5: () => tensor, 6: () => graph, 11: () => graph } }
const node: Message = { fields: { 5: () => attribute } }
const graph: Message = { fields: { 1: () => node, 5: () => tensor } }
const model: Message = { fields: { 7: () => graph } }

/** Bytes that are looked at together. */
const WINDOW = 2 ** 18
/** A tag and a length. */
const HEAD = 20

/** Cuts a model file; undefined where it is no message, which is the decoder's to explain. */
export function cutTensors(path: string): CutModel | undefined {
  const handle = openSync(path, 'r')
  try {
    const { size } = fstatSync(handle)
    const cutter = new Cutter(handle, size)
    const parts = cutter.message(0, size, model)
    return parts && { bytes: joined(parts), tensors: cutter.tensors }
  } finally {
    closeSync(handle)
  }
}

class Cutter {
  readonly tensors: CutTensor[] = []
  readonly #handle: number
  readonly #size: number
  #from = 0
  #window: Uint8Array = new Uint8Array(0)

  constructor(handle: number, size: number) {
    this.#handle = handle
    this.#size = size
  }

  /** The parts of a message between two places of the file; undefined where it is none. */
  message(from: number, to: number, kind: Message): Uint8Array[] | undefined {
    const parts: Uint8Array[] = []
    for (let at = from; at < to; ) {
      const head = this.#read(at, Math.min(at + HEAD, to))
      const tag = readVarint(head, 0)
      const wire = (tag?.value ?? 0) % 8
      const body = tag && (wire === BYTES ? readVarint(head, tag.end) : { value: 0, end: tag.end })
      const length = body && endOf(head, wire, body)
      if (!tag || !body || length === undefined || at + length > to) return undefined
      const inside =
        wire === BYTES ? this.#field(at + body.end, at + length, Math.floor(tag.value / 8), kind) : undefined
      if (inside === 'broken') return undefined
      if (inside) {
        const bytes = inside.reduce((sum, part) => sum + part.length, 0)
        parts.push(Uint8Array.from([...varint(tag.value), ...varint(bytes)]), ...inside)
      } else parts.push(this.#read(at, at + length).slice())
      at += length
    }
    return parts
  }

  /** What stands for a field whose inside may hold tensors; undefined for all others. */
  #field(from: number, to: number, number: number, kind: Message): Uint8Array[] | 'broken' | undefined {
    if (kind.raw === number) {
      const length = to - from
      if (length < LARGE_TENSOR && !isMark(this.#read(from, to))) return undefined
      return [markOf(this.tensors.push({ offset: from, length }) - 1)]
    }
    const inside = kind.fields[number]
    return inside && (this.message(from, to, inside()) ?? 'broken')
  }

  /** Bytes of the file, valid until the next call. */
  #read(from: number, to: number): Uint8Array {
    if (from < this.#from || to > this.#from + this.#window.length) {
      this.#window = readFully(this.#handle, from, Math.min(Math.max(WINDOW, to - from), this.#size - from))
      this.#from = from
    }
    return this.#window.subarray(from - this.#from, to - this.#from)
  }
}
