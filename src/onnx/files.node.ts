// Models on disk: external data confined to the model's folder, files written under a temporary name and renamed.
import { existsSync, statSync } from 'node:fs'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { InputError, messageOf, UnsupportedError } from '../base/index.ts'
import { type CutModel, cutTensors } from './cut-tensors.node.ts'
import { DataFiles } from './data-files.node.ts'
import { DataWriter, writeParts } from './data-writer.node.ts'
import { allNodes, type Model } from './model.ts'
import { readModel } from './read.ts'
import { markedBy } from './splice-tensors.ts'
import { withTemporary } from './temporaries.node.ts'
import type { Tensor } from './tensor.ts'
import { modelParts } from './write.ts'

/** A protobuf message ends at 2 GB; above this size weights go into a data file beside the model, unless somebody says otherwise. */
const INLINE_LIMIT = 1.5e9
const FILE_LIMIT = 2 ** 31 - 1
/** The tensors of larger files are read when somebody needs them. */
const LARGE_FILE = 2 ** 24

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
  const size = await sizeOfFile(path)
  const external = new DataFiles(path, dirname(resolve(path)))
  const read = (bytes: Uint8Array, cut?: CutModel) =>
    readModel(bytes, {
      file: path,
      external: (data, tensor, expected) => external.find(data, tensor, expected),
      cut: (mark, tensor) => {
        const place = cut?.tensors[markedBy(mark) ?? -1]
        return place && external.inside(place, tensor)
      },
    })
  const cut = size < LARGE_FILE ? undefined : cutFile(path)
  const model = cut ? read(cut.bytes, cut) : read(await readBytes(path))
  return { model, files: external.paths }
}

function cutFile(path: string): CutModel | undefined {
  try {
    return cutTensors(path)
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { file: path }, error)
  }
}

/** @throws InputError where there is no file, UnsupportedError where it is too large for one message */
async function sizeOfFile(path: string): Promise<number> {
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
  return info.size
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { file: path }, error)
  }
}

/** Where weights go when a model is written. */
export interface WriteOptions {
  /**
   * Into a data file beside the model: all of them, none, or those of so many bytes and more. Without it those of 1 KB and more, where all
   * of them together have more than 1.5 GB.
   */
  readonly externalData?: 'all' | 'none' | number | undefined
  /** Name of the data file; without it `<name>.data`. */
  readonly dataPath?: string
}

/** `all` leaves the numbers and short lists in the model that a graph is read by. */
const ALL = 128

/**
 * Writes a model, and its weights into one data file beside it where `options` say so, under temporary names that are then renamed.
 * Nothing is left behind when it fails, and of a large tensor that lies in a file, or is made on demand, only a part is in memory.
 * @returns size of what was written, in bytes, the data file with it
 * @throws UnsupportedError for more than 2 GB in one file
 */
export async function writeModelFile(model: Model, path: string, options: WriteOptions = {}): Promise<number> {
  const { externalData: asked, dataPath = `${path}.data` } = options
  const external = asked ?? (byteLengthOf(model) > INLINE_LIMIT ? undefined : 'none')
  if (external === 'none') return writeInline(model, path)
  const data = new DataWriter(basename(dataPath), external === 'all' ? ALL : external)
  const parts = modelParts(model, data)
  if (data.end === 0) return writeInline(model, path)
  return writing(path, (temporary) =>
    withTemporary(temporaryName(dataPath), async (temporaryData) => {
      await data.write(temporaryData)
      const size = await writeParts(temporary, parts)
      const fresh = !existsSync(dataPath)
      await rename(temporaryData, dataPath)
      await rename(temporary, path).catch(async (error: unknown) => {
        if (fresh) await rm(dataPath, { force: true })
        throw error
      })
      return size + data.end
    }),
  )
}

async function writeInline(model: Model, path: string): Promise<number> {
  const parts = modelParts(model)
  const size = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
  if (size > FILE_LIMIT)
    throw new UnsupportedError(
      `cannot write ${path}: ${size} bytes in one file, at most ${FILE_LIMIT} are possible; let weights go into a data file (--external-data all)`,
      { file: path },
    )
  return writing(path, async (temporary) => {
    await writeParts(temporary, parts)
    await rename(temporary, path)
    return size
  })
}

/** Bytes of all constants of a model. */
export function byteLengthOf(model: Model): number {
  return [...tensorsOf(model)].reduce((sum, tensor) => sum + tensor.byteLength, 0)
}

/** Writes bytes or text under a temporary name beside `path` and renames it. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<number> {
  return writing(path, async (temporary) => {
    await writeFile(temporary, data, { flag: 'wx' })
    await rename(temporary, path)
    return statSync(path).size
  })
}

async function writing<T>(path: string, work: (temporary: string) => Promise<T>): Promise<T> {
  try {
    return await withTemporary(temporaryName(path), work)
  } catch (error) {
    throw new InputError(`cannot write ${path}: ${messageOf(error)}`, { file: path }, error)
  }
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
