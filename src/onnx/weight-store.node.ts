// The large constants of a run's models, on disk: each is written once, whatever models share it, and ONNX Runtime maps it from there.
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { readBytesOf } from './data-files.node.ts'
import type { Model } from './model.ts'
import { LARGE_TENSOR } from './splice-tensors.ts'
import { keepTemporary } from './temporaries.node.ts'
import { type StoredBytes, Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

/** Pages of memory: what begins with one is mapped instead of read. */
const PAGE = 4096
/** Models with fewer bytes of large constants stay in memory. */
const WORTH_IT = 2 ** 24
/** Models with more of them in data files of their own are not copied. */
const TOO_MUCH = 1e9

/** A file of the store, there for as long as a tensor in it is. */
interface WeightFile {
  readonly path: string
}

/** One store a runtime. */
export class WeightStore {
  #folder: { readonly path: string; readonly remove: () => void } | undefined
  #next = 0
  /** Tensors as they came, and as they lie here. */
  readonly #stored = new WeakMap<Tensor, Tensor>()
  readonly #unused = new FinalizationRegistry<string>((path) => {
    // On systems where a mapped file cannot be removed it goes with its folder.
    try {
      unlinkSync(path)
    } catch {}
  })

  /**
   * The same model, its large constants in files of the store instead of in memory. What is here already is not written again; a model
   * that has few of them stays as it is.
   */
  stow(model: Model): Model {
    const { initializers } = model.graph
    const large = [...initializers.values()].filter((tensor) => tensor.byteLength >= LARGE_TENSOR && !tensor.strings)
    if (bytesOf(large) < WORTH_IT || liesInLargeFiles(model)) return model
    const missing = new Set(large.filter((tensor) => !this.#has(tensor)))
    if (missing.size > 0 && !this.#withRoom(() => this.#write([...missing]))) return model
    const here = (tensor: Tensor) => this.#stored.get(tensor) ?? tensor
    const moved = new Map([...initializers].map(([name, tensor]) => [name, here(tensor)]))
    return { ...model, graph: { ...model.graph, initializers: moved } }
  }

  /**
   * The model as a file, a small graph beside the constants of the store; whoever asks removes it. Undefined where there is no room.
   */
  file(model: Model): { readonly path: string; readonly remove: () => void } | undefined {
    const stowed = this.stow(model)
    const add = (tensor: Tensor) =>
      tensor.stored && this.#has(tensor)
        ? { location: basename(tensor.stored.file), offset: tensor.stored.offset }
        : undefined
    return this.#withRoom(() => {
      const path = join(this.#open(), `model-${this.#next++}.onnx`)
      const remove = () => rmSync(path, { force: true })
      try {
        writeFileSync(path, writeModel(stowed, { minBytes: LARGE_TENSOR, add }))
      } catch (error) {
        remove()
        throw error
      }
      return { path, remove }
    })
  }

  /** Removes the folder. Nothing that lies here can be read afterwards. */
  close(): void {
    this.#folder?.remove()
    this.#folder = undefined
  }

  #has(tensor: Tensor): boolean {
    return (
      this.#stored.has(tensor) || (tensor.stored !== undefined && dirname(tensor.stored.file) === this.#folder?.path)
    )
  }

  #open(): string {
    if (!this.#folder) {
      const path = mkdtempSync(join(tmpdir(), 'onnxpress-'))
      this.#folder = { path, remove: keepTemporary(path) }
    }
    return this.#folder.path
  }

  /** A temporary folder that is full or cannot be written makes the run larger, not impossible. */
  #withRoom<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch {
      return undefined
    }
  }

  #write(tensors: readonly Tensor[]): WeightFile {
    const file: WeightFile = { path: join(this.#open(), `weights-${this.#next++}.data`) }
    const handle = openSync(file.path, 'wx')
    try {
      let offset = 0
      const written = tensors.map((tensor) => {
        const { bytes } = tensor
        for (let done = 0; done < bytes.byteLength; )
          done += writeSync(handle, bytes, done, bytes.byteLength - done, offset + done)
        const stored = storedTensor(tensor, file, offset)
        offset = Math.ceil((offset + bytes.byteLength) / PAGE) * PAGE
        return [tensor, stored] as const
      })
      for (const [tensor, stored] of written) this.#stored.set(tensor, stored)
    } catch (error) {
      rmSync(file.path, { force: true })
      throw error
    } finally {
      closeSync(handle)
    }
    this.#unused.register(file, file.path)
    return file
  }
}

/** Is the model one whose constants stay in the data files that they came from? */
export function liesInLargeFiles(model: Model): boolean {
  return bytesOf([...model.graph.initializers.values()].filter(({ stored }) => stored)) > TOO_MUCH
}

const bytesOf = (tensors: readonly Tensor[]) => tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)

function storedTensor(tensor: Tensor, file: WeightFile, offset: number): Tensor {
  const { dtype, shape, byteLength, raw } = tensor
  const read = (from = 0, to = byteLength) => readBytesOf(file.path, offset + from, to - from)
  const bytes: StoredBytes = { file: file.path, offset, byteLength, read }
  return new Tensor(dtype, shape, bytes, { raw })
}
