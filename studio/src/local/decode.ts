// Decoding a picture with the browser's own decoder, to the bytes that a file holds: no colour management, no turning.
import { InputError, messageOf } from '../../../src/base/index.ts'
import type { DecodedPicture } from '../../../src/data/index.ts'

/** @throws InputError when the browser cannot decode the file */
export async function decode(file: File): Promise<DecodedPicture> {
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(file, {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'none',
    })
  } catch (error) {
    throw new InputError(`cannot decode the picture ${file.name}: ${messageOf(error)}`, { file: file.name }, error)
  }
  try {
    const { width, height } = bitmap
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
    if (context === null)
      throw new InputError(`cannot decode the picture ${file.name}: the browser has no canvas for it`)
    context.drawImage(bitmap, 0, 0)
    const { data } = context.getImageData(0, 0, width, height)
    return { width, height, ...rgbOf(data) }
  } finally {
    bitmap.close()
  }
}

/** Without alpha; grey when all three channels are the same everywhere. */
function rgbOf(rgba: Uint8ClampedArray): { data: Uint8Array; grey: boolean } {
  const data = new Uint8Array((rgba.length / 4) * 3)
  let grey = true
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const [r = 0, g = 0, b = 0] = [rgba[from], rgba[from + 1], rgba[from + 2]]
    data[to++] = r
    data[to++] = g
    data[to++] = b
    grey &&= r === g && g === b
  }
  return { data, grey }
}
