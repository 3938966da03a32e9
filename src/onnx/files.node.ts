// Models on disk: external data confined to the model's folder, files written under a temporary name and renamed.
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { InputError, messageOf, UnsupportedError } from '../base/index.ts'
import { allNodes, type Model } from './model.ts'
import { type ExternalData, readModel } from './read.ts'
import { withTemporary } from './temporaries.node.ts'
import type { Tensor } from './tensor.ts'
import { type ExternalSink, writeModel } from './write.ts'

/** A protobuf message ends at 2 GB; above this size weights go into a data file beside the model. */
const INLINE_LIMIT = 1.5e9
const FILE_LIMIT = 2 ** 31 - 1

/**
 * Reads a model from disk, with its external data.
 * @throws InputError when the file is missing, no ONNX model, or its data lies outside the model's folder
 */
export async function readModelFile(path: string): Promise<Model> {
  return (await readWithFiles(path)).model
}

/**
 * The files that a model lies in: its own, then those of its external data in the order of their names.
 * @throws InputError as `readModelFile`
 */
export async function filesOfModel(path: string): Promise<readonly string[]> {
  return [path, ...(await readWithFiles(path)).files]
}

async function readWithFiles(path: string): Promise<{ readonly model: Model; readonly files: readonly string[] }> {
  const bytes = await readBytes(path)
  const folder = dirname(resolve(path))
  const external = new DataFiles(path, folder)
  try {
    const model = readModel(bytes, {
      file: path,
      external: (data, tensor, expected) => external.read(data, tensor, expected),
    })
    return { model, files: external.paths }
  } finally {
    external.close()
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  const info = await stat(path).catch(() => undefined)
  if (!info) throw new InputError(`cannot read ${path}: there is no such file`, { file: path })
  if (info.isDirectory())
    throw new InputError(`cannot read ${path}: it is a folder; give the .onnx file inside it`, { file: path })
  if (!info.isFile()) throw new InputError(`cannot read ${path}: it is a pipe or a device, not a file`, { file: path })
  if (info.size > FILE_LIMIT)
    throw new UnsupportedError(
      `cannot read ${path}: ${info.size} bytes in one file, at most ${FILE_LIMIT} are possible; save it with external data`,
      { file: path },
    )
  try {
    return await readFile(path)
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { file: path }, error)
  }
}

/** Reads slices of data files, each opened once. */
class DataFiles {
  readonly #file: string
  readonly #folder: string
  readonly #open = new Map<string, { handle: number; size: number }>()

  constructor(file: string, folder: string) {
    this.#file = file
    this.#folder = folder
  }

  read(data: ExternalData, tensor: string, expected: number | undefined): Uint8Array {
    const fail = (what: string) =>
      new InputError(`cannot read ${this.#file}: tensor "${tensor}" ${what}`, { file: this.#file, tensor })
    const path = this.#confined(data.location, fail)
    const { handle, size } = this.#handle(path, data.location, fail)
    const length = data.length ?? expected ?? size - data.offset
    if (!(data.offset >= 0 && length >= 0 && data.offset + length <= size))
      throw fail(
        `lies at bytes ${data.offset} to ${data.offset + length} of "${data.location}", which has only ${size}`,
      )
    if (expected !== undefined && length !== expected)
      throw fail(
        `has ${length} bytes of external data, its shape needs ${expected}; is ${data.location} the right file?`,
      )
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const count = readSync(handle, bytes, done, length - done, data.offset + done)
      if (count === 0) throw fail(`"${data.location}" ended after ${done} of ${length} bytes`)
      done += count
    }
    return bytes
  }

  /** Files that were read from. */
  get paths(): readonly string[] {
    return [...this.#open.keys()].sort()
  }

  close(): void {
    for (const { handle } of this.#open.values()) closeSync(handle)
    this.#open.clear()
  }

  /** Paths in a model file are untrusted: relative, without "..", and no link may leave the folder. */
  #confined(location: string, fail: (what: string) => InputError): string {
    const path = resolve(this.#folder, location)
    const outside = (from: string, to: string) => {
      const way = relative(from, to)
      return way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)
    }
    if (
      isAbsolute(location) ||
      /^[a-zA-Z]:/.test(location) ||
      location.split(/[\\/]/).includes('..') ||
      outside(this.#folder, path)
    )
      throw fail(`lies in "${location}", outside the model's folder; only files beside the model are read`)
    let real: string
    try {
      real = realpathSync(path)
    } catch {
      throw fail(`lies in "${location}", which is missing; it must stay beside the model`)
    }
    if (outside(realpathSync(this.#folder), real))
      throw fail(`lies in "${location}", a link that leaves the model's folder; only files beside the model are read`)
    return real
  }

  #handle(path: string, location: string, fail: (what: string) => InputError) {
    const known = this.#open.get(path)
    if (known) return known
    // Looked at before it is opened: opening a pipe waits until somebody writes into it.
    if (!statSync(path).isFile()) throw fail(`lies in "${location}", which is not a file`)
    let handle: number
    try {
      handle = openSync(path, 'r')
    } catch (error) {
      throw fail(`lies in "${location}", which cannot be opened (${messageOf(error)})`)
    }
    const entry = { handle, size: fstatSync(handle).size }
    this.#open.set(path, entry)
    return entry
  }
}

/**
 * Writes a model under a temporary name, then renames it. Weights above 1.5 GB go into a data file beside it, `<name>.data` unless
 * another name is given. Nothing is left behind when it fails.
 * @returns size of what was written, in bytes
 */
export async function writeModelFile(model: Model, path: string, dataPath = `${path}.data`): Promise<number> {
  const total = [...tensorsOf(model)].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0)
  if (total <= INLINE_LIMIT) return writeFileAtomic(path, writeModel(model))
  const chunks: { bytes: Uint8Array; offset: number }[] = []
  let end = 0
  const sink: ExternalSink = {
    location: basename(dataPath),
    minBytes: 1024,
    add: (bytes) => {
      const offset = Math.ceil(end / 4096) * 4096
      chunks.push({ bytes, offset })
      end = offset + bytes.byteLength
      return offset
    },
  }
  const bytes = writeModel(model, sink)
  try {
    await withTemporary(temporaryName(dataPath), async (temporary) => {
      const file = await open(temporary, 'wx')
      try {
        for (const chunk of chunks) await file.write(chunk.bytes, 0, chunk.bytes.byteLength, chunk.offset)
      } finally {
        await file.close()
      }
      await rename(temporary, dataPath)
    })
  } catch (error) {
    throw new InputError(`cannot write ${dataPath}: ${messageOf(error)}`, { file: dataPath }, error)
  }
  return end + (await writeFileAtomic(path, bytes))
}

/** Writes bytes or text under a temporary name beside `path` and renames it. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<number> {
  try {
    await withTemporary(temporaryName(path), async (temporary) => {
      await writeFile(temporary, data, { flag: 'wx' })
      await rename(temporary, path)
    })
  } catch (error) {
    throw new InputError(`cannot write ${path}: ${messageOf(error)}`, { file: path }, error)
  }
  return statSync(path).size
}

function temporaryName(path: string): string {
  return `${path}.${process.pid}.tmp`
}

/** All constants of a model: initialisers and tensor attributes, in sub-graphs too. */
export function* tensorsOf(model: Model): Generator<Tensor> {
  yield* model.graph.initializers.values()
  for (const node of allNodes(model.graph)) {
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'tensor') yield attribute.value
      else if (attribute.type === 'graph') yield* attribute.value.initializers.values()
      else if (attribute.type === 'graphs') for (const graph of attribute.value) yield* graph.initializers.values()
    }
  }
}
