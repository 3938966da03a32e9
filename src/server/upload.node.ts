// A file that was dropped on the page, kept in a folder of the studio. Bounded, by name and by size.
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RefusedError, UsageError } from '../base/index.ts'

export interface UploadOptions {
  /** The folder of all uploads. */
  readonly folder: string
  readonly mostBytes: number
}

/** What may come in. No scripts: a data set may be a module, but not one from a web page. */
const allowed = new Set(['.onnx', '.data', '.npy', '.csv', '.txt', '.json', '.jpg', '.jpeg', '.png', '.webp'])

/**
 * Writes a body to `group/name` below the folder for uploads and returns its path.
 * @throws UsageError for a name that is none, RefusedError beyond the limit; nothing is left behind then
 */
export async function saveUpload(
  body: ReadableStream<Uint8Array> | null,
  name: string,
  group: string,
  { folder, mostBytes }: UploadOptions,
): Promise<string> {
  if (!/^[\w][\w .()+-]{0,150}$/.test(name) || name.includes('..'))
    throw new UsageError(`"${name}" cannot be the name of an upload: use letters, digits, spaces and . ( ) + - _`)
  if (!/^[\w-]{1,64}$/.test(group))
    throw new UsageError('the group of an upload is a word of letters, digits and dashes')
  if (!allowed.has(extname(name).toLowerCase()))
    throw new UsageError(`${name} cannot be uploaded: models, pictures, .npy, .csv, .txt and .json can`)
  const place = join(folder, group)
  await mkdir(place, { recursive: true })
  const path = join(place, name)
  const part = `${path}.${process.pid}.tmp`
  let size = 0
  const bound = new Transform({
    transform(chunk: Uint8Array, _, done) {
      size += chunk.length
      done(
        size > mostBytes
          ? new RefusedError(
              `${name} is larger than ${mostBytes} bytes, the most that can be dropped; type its path instead`,
            )
          : null,
        chunk,
      )
    },
  })
  try {
    await pipeline(body === null ? Readable.from([]) : Readable.fromWeb(body), bound, createWriteStream(part))
    await rename(part, path)
    return path
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}
