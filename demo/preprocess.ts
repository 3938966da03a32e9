// How bytes become the network's input, in training and afterwards: -1 to 1, planes of R, G, B.
import type { Preprocess } from '../src/data/index.ts'

/** Written to preprocess.json; `(pixel * scale - mean) / std`. */
export const preprocess: Preprocess = {
  scale: [1 / 255, 1 / 255, 1 / 255],
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  channelOrder: 'RGB',
  layout: 'NCHW',
}

/** The same for one byte. */
export function normalizePixel(pixel: number): number {
  return (pixel / 255 - 0.5) / 0.5
}
