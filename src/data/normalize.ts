// (pixel * scale - mean) / std in float32, by table: there are only 256 pixel values.
import { InputError } from '../base/index.ts'
import type { Preprocess } from './preprocess.ts'

/**
 * For each of `channels` channels the 256 results of `(pixel * scale - mean) / std`, every step rounded to float32.
 * @throws InputError when a list has neither one value nor one per channel
 */
export function normalizeTables(preprocess: Preprocess, channels: number): Float32Array[] {
  const at = (key: 'scale' | 'mean' | 'std', channel: number, otherwise: number): number => {
    const list = [preprocess[key] ?? otherwise].flat()
    if (list.length !== 1 && list.length !== channels)
      throw new InputError(
        `"${key}" of the preprocessing has ${list.length} values, the samples have ${channels} channels`,
      )
    return Math.fround(list[channel] ?? list[0] ?? otherwise)
  }
  return Array.from({ length: channels }, (_, channel) => {
    const scale = at('scale', channel, 1)
    const mean = at('mean', channel, 0)
    const std = at('std', channel, 1)
    return Float32Array.from({ length: 256 }, (_, pixel) => Math.fround(Math.fround(pixel * scale) - mean) / std)
  })
}

/** Does the preprocessing change pixel values at all? */
export function isNormalizing(preprocess: Preprocess): boolean {
  return preprocess.scale !== undefined || preprocess.mean !== undefined || preprocess.std !== undefined
}
