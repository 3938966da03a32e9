// External data: tensors in files beside the model, confined to its folder, read by position when somebody needs them.
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { InputError, messageOf } from '../base/index.ts'
import type { ExternalData } from './read.ts'
import type { StoredBytes } from './tensor.ts'

/** Tensors of so many bytes stay in their file. */
const LARGE = 2 ** 20

type Fail = (what: string) => InputError

/** A data file as it was when the model was read. */
interface DataFile {
  readonly path: string
  readonly location: string
  readonly size: number
  readonly changed: number
}

/** Finds tensors in data files. */
export class DataFiles {
  readonly #file: string
  readonly #folder: string
  readonly #known = new Map<string, DataFile>()
  #own: DataFile | undefined

  constructor(file: string, folder: string) {
    this.#file = file
    this.#folder = folder
  }

  /** Where a tensor lies. Small ones are read at once, large ones when they are asked for. */
  find(data: ExternalData, tensor: string, expected: number | undefined): Uint8Array | StoredBytes {
    const fail = (what: string) =>
      new InputError(`cannot read ${this.#file}: tensor "${tensor}" ${what}`, { file: this.#file, tensor })
    const path = this.#confined(data.location, fail)
    const file = this.#fileAt(path, data.location, fail)
    const length = data.length ?? expected ?? file.size - data.offset
    if (!(data.offset >= 0 && length >= 0 && data.offset + length <= file.size))
      throw fail(
        `lies at bytes ${data.offset} to ${data.offset + length} of "${data.location}", which has only ${file.size}`,
      )
    if (expected !== undefined && length !== expected)
      throw fail(
        `has ${length} bytes of external data, its shape needs ${expected}; is ${data.location} the right file?`,
      )
    const read = (from = 0, to = length) => readBytesAt(file, data.offset + from, to - from, fail)
    return length < LARGE ? read() : { file: path, offset: data.offset, byteLength: length, read }
  }

  /** A tensor inside the model's own file. */
  inside({ offset, length }: { readonly offset: number; readonly length: number }, tensor: string): StoredBytes {
    const fail = (what: string) =>
      new InputError(`cannot read ${this.#file}: tensor "${tensor}" ${what}`, { file: this.#file, tensor })
    const { size, mtimeMs: changed } = statSync(this.#file)
    this.#own ??= { path: this.#file, location: this.#file, size, changed }
    const file = this.#own
    const read = (from = 0, to = length) => readBytesAt(file, offset + from, to - from, fail)
    return { file: resolve(this.#file), offset, byteLength: length, read }
  }

  /** Files that were read from. */
  get paths(): readonly string[] {
    return [...this.#known.keys()].sort()
  }

  /** Paths in a model file are untrusted: relative, without "..", and no link may leave the folder. */
  #confined(location: string, fail: Fail): string {
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

  #fileAt(path: string, location: string, fail: Fail): DataFile {
    const known = this.#known.get(path)
    if (known) return known
    // Looked at before it is opened: opening a pipe waits until somebody writes into it.
    const info = statSync(path)
    if (!info.isFile()) throw fail(`lies in "${location}", which is not a file`)
    const file = { path, location, size: info.size, changed: info.mtimeMs }
    this.#known.set(path, file)
    return file
  }
}

/** @throws InputError where the file is not what it was when the model was read */
function readBytesAt(
  { path, location, size, changed }: DataFile,
  offset: number,
  length: number,
  fail: Fail,
): Uint8Array {
  let handle: number
  try {
    handle = openSync(path, 'r')
  } catch (error) {
    throw fail(`lies in "${location}", which cannot be opened (${messageOf(error)})`)
  }
  try {
    const now = fstatSync(handle)
    if (now.size !== size || now.mtimeMs !== changed)
      throw fail(`lies in "${location}", which has changed since the model was read; run it again`)
    return readFully(handle, offset, length)
  } finally {
    closeSync(handle)
  }
}

/** Bytes of a file that is our own. */
export function readBytesOf(path: string, offset: number, length: number): Uint8Array {
  const handle = openSync(path, 'r')
  try {
    return readFully(handle, offset, length)
  } finally {
    closeSync(handle)
  }
}

/** Bytes at a place of an open file. */
export function readFully(handle: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const count = readSync(handle, bytes, done, length - done, offset + done)
    if (count === 0) throw new Error(`the file ended after ${offset + done} bytes`)
    done += count
  }
  return bytes
}
