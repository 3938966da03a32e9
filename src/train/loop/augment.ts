// Simple augmentation while samples are copied into a batch: pictures mirrored and moved by a few pixels, samples mixed.
import type { Random } from '../../math/index.ts'

export interface Augmentation {
  /** Mirror left and right, half of the time. */
  readonly flip: boolean
  /** Move by up to this many pixels each way; the border is repeated. 0: not at all. */
  readonly shift: number
  /** Blend each sample with its neighbour in the batch. Only for losses without labels: the teacher sees the same blend. */
  readonly mix?: boolean
}

/**
 * Blends every sample of a batch with the next one: λ·a + (1 − λ)·b, λ from 0 to 1 evenly (mixup, arXiv 1710.09412, with α = 1;
 * for distillation: arXiv 2106.05237). `count` samples of `each` numbers; what lies behind them is left.
 */
export function mixSamples(data: Float32Array, count: number, each: number, random: Random): void {
  if (count < 2) return
  const first = data.slice(0, each)
  for (let i = 0; i < count; i++) {
    const share = random.next()
    const from = i * each
    for (let k = 0; k < each; k++) {
      const other = i + 1 < count ? (data[from + each + k] ?? 0) : (first[k] ?? 0)
      data[from + k] = share * (data[from + k] ?? 0) + (1 - share) * other
    }
  }
}

/** One picture, [C, H, W]. */
export interface PictureValues {
  readonly data: Float32Array
  readonly dims: readonly [number, number, number]
}

/** Copies one picture to the start of `target`, augmented. */
export function copyPicture(
  target: Float32Array,
  { data, dims: [channels, height, width] }: PictureValues,
  augmentation: Augmentation,
  random: Random,
): void {
  const mirrored = augmentation.flip && random.next() < 0.5
  const down = augmentation.shift > 0 ? random.integer(-augmentation.shift, augmentation.shift) : 0
  const right = augmentation.shift > 0 ? random.integer(-augmentation.shift, augmentation.shift) : 0
  let to = 0
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++) {
      const row = (c * height + clamp(y + down, height)) * width
      for (let x = 0; x < width; x++) {
        const from = clamp((mirrored ? width - 1 - x : x) + right, width)
        target[to++] = data[row + from] ?? 0
      }
    }
}

function clamp(position: number, size: number): number {
  return position < 0 ? 0 : position >= size ? size - 1 : position
}
