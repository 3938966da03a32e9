// A picture as a model input: resize, crop, channel order, scale, mean, std, layout, in that order.
import type { TensorValue } from '../base/index.ts'
import { normalizeTables } from './normalize.ts'
import type { Picture } from './picture.ts'
import { placePicture } from './place-picture.ts'
import type { Preprocess } from './preprocess.ts'

/**
 * Prepares the conversion of pictures into float32 tensors [1, C, H, W], or [1, H, W, C] with layout NHWC.
 * The returned function throws InputError when a picture is smaller than the crop.
 */
export function pictureTransform(preprocess: Preprocess): (picture: Picture) => TensorValue<'float32'> {
  const grey = preprocess.channelOrder === 'grey'
  const channels = grey ? 1 : 3
  const tables = normalizeTables(preprocess, channels)
  const nhwc = preprocess.layout === 'NHWC'
  return (picture) => {
    const placed = placePicture(picture, preprocess)
    const { width, height } = placed
    const pixels = grey ? greyOf(placed) : placed.data
    const data = new Float32Array(width * height * channels)
    for (let channel = 0; channel < channels; channel++) {
      const source = preprocess.channelOrder === 'BGR' ? 2 - channel : channel
      const [start, step] = nhwc ? [channel, channels] : [channel * width * height, 1]
      fillChannel({ data, start, step }, { pixels, channel: source, channels }, tables[channel]!)
    }
    const dims = nhwc ? [1, height, width, channels] : [1, channels, height, width]
    return { dtype: 'float32', dims, data }
  }
}

/** Where the numbers of a channel go: from `start` on, `step` apart. */
interface Strided {
  readonly data: Float32Array
  readonly start: number
  readonly step: number
}

/** One channel of interleaved pixels. */
interface PixelChannel {
  readonly pixels: ArrayLike<number>
  readonly channel: number
  readonly channels: number
}

function fillChannel(
  { data, start, step }: Strided,
  { pixels, channel, channels }: PixelChannel,
  table: Float32Array,
): void {
  let target = start
  for (let pixel = channel; pixel < pixels.length; pixel += channels) {
    data[target] = table[pixels[pixel]!]!
    target += step
  }
}

/** Luma of ITU-R 601 in 16-bit fixed point, as Pillow's "L". A grey pixel keeps its value. */
function greyOf({ data, width, height }: Picture): Uint8Array {
  const grey = new Uint8Array(width * height)
  for (let pixel = 0; pixel < grey.length; pixel++) {
    const at = pixel * 3
    grey[pixel] = (data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >> 16
  }
  return grey
}
