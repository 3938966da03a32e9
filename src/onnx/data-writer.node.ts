// Large tensors on their way into one data file, aligned as ONNX Runtime maps them.
import { type FileHandle, open } from 'node:fs/promises'
import type { ModelPart } from './splice-tensors.ts'
import type { Tensor } from './tensor.ts'
import type { ExternalSink } from './write.ts'

/** Pages of memory: what begins with one is mapped instead of read. */
const PAGE = 4096
/** What is shorter begins with a line of a processor's cache: pages would be mostly empty. */
const LINE = 64
/** Tensors below this stay in the model. */
const LEAST = 1024

/** Collects tensors while a model is encoded, and writes them afterwards. */
export class DataWriter implements ExternalSink {
  readonly minBytes: number
  readonly #location: string
  readonly #offsets = new Map<Tensor, number>()
  #end = 0

  /**
   * @param location file name written into the model
   * @param minBytes tensors with fewer bytes stay in the model
   */
  constructor(location: string, minBytes: number = LEAST) {
    this.#location = location
    this.minBytes = minBytes
  }

  /** Bytes of the file. */
  get end(): number {
    return this.#end
  }

  add(tensor: Tensor): { location: string; offset: number } {
    const known = this.#offsets.get(tensor)
    if (known !== undefined) return { location: this.#location, offset: known }
    const step = tensor.byteLength < PAGE ? LINE : PAGE
    const offset = Math.ceil(this.#end / step) * step
    this.#offsets.set(tensor, offset)
    this.#end = offset + tensor.byteLength
    return { location: this.#location, offset }
  }

  async write(path: string): Promise<void> {
    const file = await open(path, 'wx')
    try {
      for (const [tensor, offset] of this.#offsets) await writePart(file, tensor, offset)
    } finally {
      await file.close()
    }
  }
}

/** Writes the parts of a model one after the other; returns how many bytes they are. */
export async function writeParts(path: string, parts: readonly ModelPart[]): Promise<number> {
  const file = await open(path, 'wx')
  try {
    let at = 0
    for (const part of parts) {
      await writePart(file, part, at)
      at += part.byteLength
    }
    return at
  } finally {
    await file.close()
  }
}

/** Bytes of a tensor in a file that are copied at once. */
const PIECE = 2 ** 24

/** What lies in another file is copied piece by piece. */
async function writePart(file: FileHandle, part: ModelPart, offset: number): Promise<void> {
  const stored = part instanceof Uint8Array ? undefined : part.stored
  if (!stored) return writeAll(file, part instanceof Uint8Array ? part : part.bytes, offset)
  for (let from = 0; from < part.byteLength; from += PIECE)
    await writeAll(file, stored.read(from, Math.min(from + PIECE, part.byteLength)), offset + from)
}

/** A single write ends at 2 GB. */
async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - done, 2 ** 30)
    done += (await file.write(bytes, done, length, offset + done)).bytesWritten
  }
}
