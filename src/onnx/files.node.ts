// Models on disk: external data confined to the model's folder, files written under a temporary name and renamed.
import { statSync } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { InputError, messageOf, UnsupportedError } from '../base/index.ts'
import { type CutModel, cutTensors } from './cut-tensors.node.ts'
import { DataFiles } from './data-files.node.ts'
import { DataWriter } from './data-writer.node.ts'
import { allNodes, type Model } from './model.ts'
import { readModel } from './read.ts'
import { markedBy } from './splice-tensors.ts'
import { withTemporary } from './temporaries.node.ts'
import type { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

/** A protobuf message ends at 2 GB; above this size weights go into a data file beside the model. */
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

/**
 * Writes a model under a temporary name, then renames it. Weights above 1.5 GB go into a data file beside it, `<name>.data` unless
 * another name is given. Nothing is left behind when it fails.
 * @returns size of what was written, in bytes
 */
export async function writeModelFile(model: Model, path: string, dataPath = `${path}.data`): Promise<number> {
  if (byteLengthOf(model) <= INLINE_LIMIT) return writeFileAtomic(path, writeModel(model))
  const data = new DataWriter(basename(dataPath))
  const bytes = writeModel(model, data)
  try {
    await withTemporary(temporaryName(dataPath), async (temporary) => {
      await data.write(temporary)
      await rename(temporary, dataPath)
    })
  } catch (error) {
    throw new InputError(`cannot write ${dataPath}: ${messageOf(error)}`, { file: dataPath }, error)
  }
  return data.end + (await writeFileAtomic(path, bytes))
}

/** Bytes of all constants of a model. */
export function byteLengthOf(model: Model): number {
  return [...tensorsOf(model)].reduce((sum, tensor) => sum + tensor.byteLength, 0)
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
