// Preprocessing by name. Presets leave the size open: it follows from the model's input (see complete-preprocess.ts).
import { nearestWord, UsageError } from '../base/index.ts'
import type { Preprocess } from './preprocess.ts'

const picture = { resizeFilter: 'bilinear', antialias: true, exifOrientation: 'ignore' } as const

/** ImageNet statistics as torchvision uses them. */
const imagenetMean = [0.485, 0.456, 0.406]
const imagenetStd = [0.229, 0.224, 0.225]

/** Preprocessing by name; pixel values 0..255 go in. */
export const presets: Readonly<Record<string, Preprocess>> = {
  /** torchvision: short side 256 for a crop of 224, 0..1, ImageNet mean and deviation. */
  imagenet: { ...picture, channelOrder: 'RGB', scale: 1 / 255, mean: imagenetMean, std: imagenetStd },
  /** Keras MobileNet and Inception, timm "inception": -1..1, bicubic. */
  inception: { ...picture, resizeFilter: 'bicubic', channelOrder: 'RGB', scale: 1 / 255, mean: 0.5, std: 0.5 },
  /** Caffe: BGR, ImageNet mean subtracted, 0..255. */
  caffe: { ...picture, channelOrder: 'BGR', scale: 1, mean: [103.939, 116.779, 123.68], std: 1 },
  /** 0..1. */
  unit: { ...picture, scale: 1 / 255, mean: 0, std: 1 },
  /** 0..255 as they are. */
  raw255: { ...picture, scale: 1, mean: 0, std: 1 },
}

/** The preset of that name. @throws UsageError that lists the presets and suggests the nearest */
export function findPreset(name: string): Preprocess {
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined
  if (preset) return preset
  const names = Object.keys(presets)
  const nearest = nearestWord(name, names)
  const hint = nearest ? `did you mean "${nearest}"? ` : ''
  throw new UsageError(
    `there is no preprocessing preset "${name}"; ${hint}presets are ${names.join(', ')}, or give a .json file`,
  )
}
