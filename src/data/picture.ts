// A decoded picture: 8-bit RGB, interleaved, row by row.

export interface Picture {
  readonly width: number
  readonly height: number
  /** `width * height * 3` values R, G, B, R, G, B … */
  readonly data: Uint8Array | Uint8ClampedArray
}

/** What a decoder hands over, as stored: EXIF orientation is not applied. */
export interface DecodedPicture extends Picture {
  /** EXIF orientation 2..8, when the file has one other than 1. */
  readonly orientation?: number
  /** The file had one channel; it was copied into all three. */
  readonly grey: boolean
}

/**
 * Turns or mirrors a picture as its EXIF orientation (1..8) says it was meant to be seen.
 * 2 mirror · 3 half turn · 4 flip · 5 transpose · 6 turn right · 7 transverse · 8 turn left
 */
export function orient(picture: Picture, orientation: number): Picture {
  if (orientation < 2 || orientation > 8) return picture
  const { width, height, data } = picture
  const swaps = orientation >= 5
  const out = new Uint8Array(data.length)
  const [newWidth, newHeight] = swaps ? [height, width] : [width, height]
  const fromRight = [2, 3, 7, 8].includes(orientation)
  const fromBottom = [3, 4, 6, 7].includes(orientation)
  let target = 0
  for (let y = 0; y < newHeight; y++)
    for (let x = 0; x < newWidth; x++) {
      const [across, down] = swaps ? [y, x] : [x, y]
      const column = fromRight ? width - 1 - across : across
      const row = fromBottom ? height - 1 - down : down
      const source = (row * width + column) * 3
      out[target++] = data[source]!
      out[target++] = data[source + 1]!
      out[target++] = data[source + 2]!
    }
  return { width: newWidth, height: newHeight, data: out }
}
