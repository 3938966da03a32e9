// Where the pixels of a picture go: resized size, the window that is computed, the frame around it.
import { InputError } from '../base/index.ts'
import type { Picture } from './picture.ts'
import type { Preprocess } from './preprocess.ts'
import { cut, resize, type Window } from './resize.ts'

interface Size {
  readonly width: number
  readonly height: number
}

/** Steps 2 and 3 of preprocessing: resizes and crops. @throws InputError when the picture is smaller than the crop */
export function placePicture(picture: Picture, preprocess: Preprocess): Picture {
  const { resizeFilter = 'bilinear', antialias = true, crop } = preprocess
  const size = resizedSize(picture, preprocess)
  const options = { filter: resizeFilter, antialias }
  if (preprocess.resizeMode === 'letterbox' && preprocess.resizeTo) {
    const framed = frame(resize(picture, size.width, size.height, options), preprocess.resizeTo, preprocess.fill ?? 0)
    return crop === undefined ? framed : cut(framed, centre(framed, crop))
  }
  if (crop === undefined) return resize(picture, size.width, size.height, options)
  return resize(picture, size.width, size.height, { ...options, window: centre(size, crop) })
}

/** Size after resizing, before the crop; a letterboxed picture without its frame. */
function resizedSize({ width, height }: Size, { resizeShortSide, resizeTo, resizeMode }: Preprocess): Size {
  if (resizeShortSide !== undefined) {
    const long = (side: number, short: number) => Math.floor((side * resizeShortSide) / short)
    return width <= height
      ? { width: resizeShortSide, height: long(height, width) }
      : { width: long(width, height), height: resizeShortSide }
  }
  if (resizeTo === undefined) return { width, height }
  const [toHeight, toWidth] = resizeTo
  if (resizeMode !== 'letterbox') return { width: toWidth, height: toHeight }
  return width * toHeight >= height * toWidth
    ? { width: toWidth, height: Math.max(1, Math.floor((height * toWidth) / width)) }
    : { width: Math.max(1, Math.floor((width * toHeight) / height)), height: toHeight }
}

function centre(size: Size, crop: number): Window {
  if (size.width < crop || size.height < crop)
    throw new InputError(
      `is ${size.width}x${size.height} where a square of ${crop} is cut out; set "resizeShortSide" to ${crop} or more`,
    )
  return {
    left: Math.floor((size.width - crop) / 2),
    top: Math.floor((size.height - crop) / 2),
    width: crop,
    height: crop,
  }
}

function frame(
  picture: Picture,
  [height, width]: readonly [number, number],
  fill: number | readonly number[],
): Picture {
  const colour = [fill].flat()
  const data = new Uint8ClampedArray(width * height * 3)
  for (let index = 0; index < data.length; index++) data[index] = colour[index % 3] ?? colour[0] ?? 0
  const left = Math.floor((width - picture.width) / 2)
  const top = Math.floor((height - picture.height) / 2)
  const stride = picture.width * 3
  for (let row = 0; row < picture.height; row++)
    data.set(picture.data.subarray(row * stride, (row + 1) * stride), ((top + row) * width + left) * 3)
  return { width, height, data }
}
