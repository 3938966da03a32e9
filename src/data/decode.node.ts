// Decoding JPEG, PNG and WebP with sharp, an optional dependency that is loaded when the first picture is.
import { readFile } from 'node:fs/promises'
import type { Sharp, SharpOptions } from 'sharp'
import { InputError, messageOf } from '../base/index.ts'
import type { DecodedPicture } from './picture.ts'

type SharpFunction = (input: Uint8Array, options: SharpOptions) => Sharp

let loaded: Promise<SharpFunction> | undefined

async function loadSharp(load: () => Promise<typeof import('sharp')>): Promise<SharpFunction> {
  const module = await load().catch((error: unknown) => {
    const why = messageOf(error).split('\n')[0]
    throw new InputError(
      `pictures are decoded by the optional package sharp, which cannot be loaded (${why}); run "npm install sharp"`,
      {},
      error,
    )
  })
  const sharp = module.default
  // Pictures are decoded side by side already; more threads and a cache would only cost memory.
  sharp.concurrency(1)
  sharp.cache(false)
  return sharp
}

/**
 * Decodes a picture file to 8-bit RGB: grey is copied into all channels, alpha is dropped, a colour profile is
 * ignored, EXIF orientation is reported but not applied.
 * @throws InputError when the file cannot be read or decoded, or sharp is missing (with the line that installs it)
 */
export async function decodePicture(
  file: string,
  load: () => Promise<typeof import('sharp')> = () => import('sharp'),
): Promise<DecodedPicture> {
  loaded ??= loadSharp(load)
  const sharp = await loaded.catch((error: unknown) => {
    loaded = undefined
    throw error
  })
  try {
    const image = sharp(await readFile(file), { ignoreIcc: true, failOn: 'error' })
    const { orientation = 1, space } = await image.metadata()
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== 3) throw new Error(`it has ${info.channels} channels after decoding`)
    return {
      width: info.width,
      height: info.height,
      data: new Uint8Array(data.buffer, data.byteOffset, data.length),
      grey: space === 'b-w' || space === 'grey16',
      ...(orientation > 1 && { orientation }),
    }
  } catch (error) {
    throw new InputError(`cannot decode the picture ${file}: ${messageOf(error).split('\n')[0]}`, { file }, error)
  }
}
