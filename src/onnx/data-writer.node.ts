// Large tensors on their way into one data file, aligned as ONNX Runtime maps them.
import { type FileHandle, open } from 'node:fs/promises'
import type { Tensor } from './tensor.ts'
import type { ExternalSink } from './write.ts'

/** Pages of memory: what begins with one is mapped instead of read. */
const PAGE = 4096
/** Tensors below this stay in the model. */
const LEAST = 1024

/** Collects tensors while a model is encoded, and writes them afterwards. */
export class DataWriter implements ExternalSink {
  readonly minBytes = LEAST
  readonly #location: string
  readonly #tensors: { readonly tensor: Tensor; readonly offset: number }[] = []
  #end = 0

  /** @param location file name written into the model */
  constructor(location: string) {
    this.#location = location
  }

  /** Bytes of the file. */
  get end(): number {
    return this.#end
  }

  add(tensor: Tensor): { location: string; offset: number } {
    const offset = Math.ceil(this.#end / PAGE) * PAGE
    this.#tensors.push({ tensor, offset })
    this.#end = offset + tensor.byteLength
    return { location: this.#location, offset }
  }

  async write(path: string): Promise<void> {
    const file = await open(path, 'wx')
    try {
      for (const { tensor, offset } of this.#tensors) await writeTensor(file, tensor, offset)
    } finally {
      await file.close()
    }
  }
}

/** Bytes of a tensor in a file that are copied at once. */
const PIECE = 2 ** 24

/** What lies in another file is copied piece by piece. */
async function writeTensor(file: FileHandle, tensor: Tensor, offset: number): Promise<void> {
  const { stored, byteLength } = tensor
  if (!stored) {
    await file.write(tensor.bytes, 0, byteLength, offset)
    return
  }
  for (let from = 0; from < byteLength; from += PIECE) {
    const piece = stored.read(from, Math.min(from + PIECE, byteLength))
    await file.write(piece, 0, piece.byteLength, offset + from)
  }
}
