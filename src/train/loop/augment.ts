// Simple augmentation of pictures while they are copied into a batch: mirrored, and moved by a few pixels.
import type { Random } from '../../math/index.ts'

export interface Augmentation {
  /** Mirror left and right, half of the time. */
  readonly flip: boolean
  /** Move by up to this many pixels each way; the border is repeated. 0: not at all. */
  readonly shift: number
}

/** Copies one picture [C, H, W] into `target` at `offset`, augmented. */
export function copyPicture(
  target: Float32Array,
  offset: number,
  source: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  augmentation: Augmentation,
  random: Random,
): void {
  const mirrored = augmentation.flip && random.next() < 0.5
  const down = augmentation.shift > 0 ? random.integer(-augmentation.shift, augmentation.shift) : 0
  const right = augmentation.shift > 0 ? random.integer(-augmentation.shift, augmentation.shift) : 0
  let to = offset
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++) {
      const row = (c * height + clamp(y + down, height)) * width
      for (let x = 0; x < width; x++) {
        const from = clamp((mirrored ? width - 1 - x : x) + right, width)
        target[to++] = source[row + from] ?? 0
      }
    }
}

function clamp(position: number, size: number): number {
  return position < 0 ? 0 : position >= size ? size - 1 : position
}
