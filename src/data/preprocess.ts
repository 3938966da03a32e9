// How a picture or 8-bit planes become a model input, as plain JSON: resize, crop, channel order, scale, mean, std.
import * as z from 'zod'
import { InputError, nearestWord } from '../base/index.ts'
import { jsonProblem } from './json-problem.ts'

/** Preprocessing as plain JSON. What is absent is not done, or derived from the model's input (size, channels). */
export interface Preprocess {
  /** Pixels of the shorter side; the longer one becomes `floor(long * resizeShortSide / short)`. */
  readonly resizeShortSide?: number
  /** [height, width], instead of `resizeShortSide`. */
  readonly resizeTo?: readonly [number, number]
  /** `stretch` ignores the aspect ratio, `letterbox` keeps it, centres the picture and fills the rest. */
  readonly resizeMode?: 'stretch' | 'letterbox'
  /** Pixel value 0..255, or R, G, B, around a letterboxed picture. */
  readonly fill?: number | readonly number[]
  /** bilinear if not given. */
  readonly resizeFilter?: 'bilinear' | 'bicubic' | 'nearest'
  /** Widen the kernel when shrinking; true if not given. */
  readonly antialias?: boolean
  /** Side of a centred square. */
  readonly crop?: number
  /** ignore if not given. */
  readonly exifOrientation?: 'ignore' | 'apply'
  readonly channelOrder?: 'RGB' | 'BGR' | 'grey'
  /** `tensor = (pixel * scale - mean) / std`, in float32; one value, or one per channel in `channelOrder`. */
  readonly scale?: number | readonly number[]
  readonly mean?: number | readonly number[]
  readonly std?: number | readonly number[]
  readonly layout?: 'NCHW' | 'NHWC'
  readonly dtype?: string
}

const pixels = z.int().positive().max(32768)
const perChannel = z.union([z.number(), z.array(z.number()).min(1)])

const schema = z.object({
  resizeShortSide: pixels.exactOptional(),
  resizeTo: z.tuple([pixels, pixels]).exactOptional(),
  resizeMode: z.enum(['stretch', 'letterbox']).exactOptional(),
  fill: perChannel.exactOptional(),
  resizeFilter: z.enum(['bilinear', 'bicubic', 'nearest']).exactOptional(),
  antialias: z.boolean().exactOptional(),
  crop: pixels.exactOptional(),
  exifOrientation: z.enum(['ignore', 'apply']).exactOptional(),
  channelOrder: z.enum(['RGB', 'BGR', 'grey']).exactOptional(),
  scale: perChannel.exactOptional(),
  mean: perChannel.exactOptional(),
  std: perChannel.exactOptional(),
  layout: z.enum(['NCHW', 'NHWC']).exactOptional(),
  dtype: z.string().exactOptional(),
})

/** Keys that explain in words and are ignored. */
const explanations = new Set(['decode', 'formula', 'cropOffset', 'resizeLongSide', 'input'])

/**
 * Parses preprocessing from JSON, either the object itself or one that holds it as `preprocess`.
 * Unknown keys are taken for explanations and ignored, unless they look like a mistyped known one.
 * @throws InputError naming `where` and the first thing that is wrong
 */
export function parsePreprocess(json: unknown, where: string): Preprocess {
  const object = unwrap(json)
  const fail = (problem: string) => new InputError(`cannot use the preprocessing in ${where}: ${problem}`)
  const parsed = schema.safeParse(object)
  if (!parsed.success) throw fail(jsonProblem(parsed.error))
  const known = Object.keys(schema.shape)
  for (const key of Object.keys(object as object)) {
    if (known.includes(key) || explanations.has(key)) continue
    const nearest = nearestWord(key, known)
    if (nearest) throw fail(`it has no setting "${key}"; did you mean "${nearest}"?`)
  }
  const preprocess: Preprocess = parsed.data
  const problem = contradiction(preprocess)
  if (problem) throw fail(problem)
  return preprocess
}

function unwrap(json: unknown): unknown {
  const holds = typeof json === 'object' && json !== null && 'preprocess' in json && typeof json.preprocess === 'object'
  return holds ? json.preprocess : json
}

function contradiction(preprocess: Preprocess): string | undefined {
  const { resizeShortSide, resizeTo, resizeMode, fill, std, channelOrder } = preprocess
  if (resizeShortSide && resizeTo) return 'give "resizeShortSide" or "resizeTo", not both'
  if (resizeMode === 'letterbox' && !resizeTo) return '"letterbox" needs "resizeTo", the [height, width] to fill'
  if (resizeMode === 'letterbox' && fill === undefined) return '"letterbox" needs "fill", a pixel value 0..255'
  if (Array.isArray(fill) && fill.length !== 1 && fill.length !== 3)
    return `"fill" has ${fill.length} values, expected 1 or 3`
  if ([std ?? 1].flat().includes(0)) return '"std" must not be 0'
  const channels = channelOrder === 'grey' ? 1 : channelOrder === undefined ? undefined : 3
  for (const key of ['scale', 'mean', 'std'] as const) {
    const count = [preprocess[key] ?? 0].flat().length
    if (channels !== undefined && count !== 1 && count !== channels)
      return `"${key}" has ${count} values, "channelOrder": "${channelOrder}" needs ${channels}`
  }
  return undefined
}
