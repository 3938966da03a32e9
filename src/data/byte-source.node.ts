// Bytes by position: from a file, a slice at a time, or from memory when the file is compressed.
import { open, readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { InputError, messageOf } from '../base/index.ts'

export interface ByteSource {
  readonly file: string
  /** Bytes there are. */
  readonly length: number
  /** `length` bytes from `offset`; fewer only at the end. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}

/**
 * Opens a file for reading by position. Nothing stays open between reads; a gzipped file is decompressed once and kept.
 * @throws InputError when it is missing or a folder, or the compression is broken
 */
export async function openBytes(file: string): Promise<ByteSource> {
  const info = await stat(file).catch(() => undefined)
  if (!info) throw new InputError(`cannot read ${file}: there is no such file`, { file })
  if (!info.isFile()) throw new InputError(`cannot read ${file}: it is not a file`, { file })
  const source = onDisk(file, info.size)
  const magic = await source.read(0, 2)
  return magic[0] === 0x1f && magic[1] === 0x8b ? inMemory(file, await decompress(file)) : source
}

function onDisk(file: string, length: number): ByteSource {
  return {
    file,
    length,
    read: async (offset, count) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(count, length - offset)))
      try {
        const handle = await open(file, 'r')
        try {
          let done = 0
          while (done < bytes.length) {
            const { bytesRead } = await handle.read(bytes, done, bytes.length - done, offset + done)
            if (bytesRead === 0) throw new Error(`it ended after ${offset + done} of ${length} bytes`)
            done += bytesRead
          }
        } finally {
          await handle.close()
        }
      } catch (error) {
        throw new InputError(`cannot read ${file}: ${messageOf(error)}`, { file }, error)
      }
      return bytes
    },
  }
}

function inMemory(file: string, bytes: Uint8Array): ByteSource {
  return { file, length: bytes.length, read: async (offset, count) => bytes.subarray(offset, offset + count) }
}

async function decompress(file: string): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(await readFile(file))
  } catch (error) {
    throw new InputError(`cannot decompress ${file}: ${messageOf(error)}`, { file }, error)
  }
}
