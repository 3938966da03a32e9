// A border of zeros around maps, so that a 3x3 kernel needs no special cases at the edges.
import { type Maps, mapsLike } from './maps.ts'

/** A border of one zero around every map. */
export function pad(input: Maps): Maps {
  const padded = mapsLike(input, { height: input.height + 2, width: input.width + 2 })
  eachRow(input, (inner, outer, length) => padded.data.set(input.data.subarray(inner, inner + length), outer))
  return padded
}

/** Takes the border off again. */
export function unpad(padded: Maps): Maps {
  const output = mapsLike(padded, { height: padded.height - 2, width: padded.width - 2 })
  eachRow(output, (inner, outer, length) => output.data.set(padded.data.subarray(outer, outer + length), inner))
  return output
}

/** Where each row of maps lies, and where it lies in the same maps with a border. */
function eachRow(maps: Maps, visit: (inner: number, outer: number, length: number) => void): void {
  const { channels, height, width } = maps
  for (let row = 0; row < maps.count * height; row++) {
    const n = Math.floor(row / height)
    visit(row * width * channels, ((row + 2 * n + 1) * (width + 2) + 1) * channels, width * channels)
  }
}
