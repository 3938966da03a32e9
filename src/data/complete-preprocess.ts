// Preprocessing of pictures, completed from the model's input: what was not given is derived and said.
import { InputError } from '../base/index.ts'
import { isFloatType } from './convert.ts'
import type { InputSpec } from './dataset.ts'
import { printInput } from './input-shape.ts'
import { isNormalizing } from './normalize.ts'
import type { Preprocess } from './preprocess.ts'
import { presets } from './presets.ts'

export interface CompletePreprocess {
  readonly preprocess: Preprocess
  readonly notes: readonly string[]
}

interface PictureInput {
  readonly layout: 'NCHW' | 'NHWC'
  /** Undefined where the model leaves it open. */
  readonly channels: number | undefined
  readonly height: number | undefined
  readonly width: number | undefined
}

/** Side assumed for models that take any size, as ImageNet models are trained. */
const USUAL_SIDE = 224

/** The input that pictures go to: rank 4, with 1, 3 or an open number of channels. @throws InputError when there is none */
export function pictureInput(inputs: readonly InputSpec[]): InputSpec {
  const found = inputs.find((input) => viewOf(input, undefined))
  if (found) return found
  const list = inputs.map((input) => `"${input.name}" ${printInput(input)}`).join(', ')
  throw new InputError(`pictures fit none of the model's inputs ${list}; expected [N,3,H,W], [N,1,H,W] or [N,H,W,3]`)
}

/**
 * Completes preprocessing for pictures that feed `input`. `shape`, when given, fixes dynamic height and width.
 * Derived when absent: layout and channels from the shape; the short side `floor(size * 256 / 224)` and the crop
 * `size` for a square input, `resizeTo` for another; scale, mean and std of the `imagenet` preset for a float input.
 * @throws InputError when what was given makes another shape than the input has
 */
export function completePreprocess(
  given: Preprocess | undefined,
  input: InputSpec,
  shape?: readonly number[],
): CompletePreprocess {
  const view = viewOf(shape ? { ...input, shape } : input, given?.layout)
  if (!view)
    throw new InputError(`pictures do not fit input "${input.name}" ${printInput(input)}`, { tensor: input.name })
  const derived: Mutable<Preprocess> = {}
  const notes: string[] = []
  if (given?.channelOrder === undefined) derived.channelOrder = view.channels === 1 ? 'grey' : 'RGB'
  if (given?.layout === undefined) derived.layout = view.layout
  if (!hasSize(given)) {
    const height = view.height ?? view.width ?? USUAL_SIDE
    const width = view.width ?? height
    const filter = { resizeFilter: given?.resizeFilter ?? 'bilinear', antialias: given?.antialias ?? true } as const
    const square = height === width
    Object.assign(
      derived,
      square ? { resizeShortSide: Math.floor((height * 256) / 224), crop: height } : { resizeTo: [height, width] },
      filter,
    )
    const how = square
      ? `short side ${derived.resizeShortSide}, centre crop ${height}`
      : `stretched to ${height}x${width} (height x width)`
    notes.push(
      `the size of the pictures was assumed: ${how}, ${filter.resizeFilter}${filter.antialias ? ', antialiased' : ''}`,
    )
  }
  if (!given || !isNormalizing(given)) {
    const float = isFloatType(input.dtype ?? '')
    const { scale, mean, std } =
      (float ? (view.channels === 1 ? presets['unit'] : presets['imagenet']) : undefined) ?? {}
    if (scale !== undefined && mean !== undefined && std !== undefined) Object.assign(derived, { scale, mean, std })
    notes.push(
      float
        ? `the range of the pixels was assumed: ${view.channels === 1 ? '0..1' : '0..1, then ImageNet mean and standard deviation'}; give --preprocess if the model was trained otherwise`
        : 'the pixels are fed as they are, 0..255',
    )
  }
  const preprocess = { ...given, ...derived }
  checkSize(preprocess, view, input)
  return { preprocess, notes }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function hasSize(given: Preprocess | undefined): boolean {
  return given?.resizeShortSide !== undefined || given?.resizeTo !== undefined || given?.crop !== undefined
}

function viewOf(input: InputSpec, layout: Preprocess['layout']): PictureInput | undefined {
  const { shape } = input
  if (shape?.length !== 4) return undefined
  const size = (axis: number) => {
    const dim = shape[axis]
    return typeof dim === 'number' ? dim : undefined
  }
  const colours = (axis: number) => size(axis) === 3 || size(axis) === 1
  const nhwc = layout === undefined ? !colours(1) && colours(3) : layout === 'NHWC'
  const channels = size(nhwc ? 3 : 1)
  if (channels !== undefined && channels !== 1 && channels !== 3) return undefined
  return nhwc
    ? { layout: 'NHWC', channels, height: size(1), width: size(2) }
    : { layout: 'NCHW', channels, height: size(2), width: size(3) }
}

function checkSize(preprocess: Preprocess, view: PictureInput, input: InputSpec): void {
  const channels = preprocess.channelOrder === 'grey' ? 1 : 3
  const { crop, resizeTo } = preprocess
  const made = crop !== undefined ? [crop, crop] : resizeTo
  const wrong = (size: number | undefined, is: number | undefined) =>
    size !== undefined && is !== undefined && size !== is
  if (wrong(view.channels, channels) || wrong(view.height, made?.[0]) || wrong(view.width, made?.[1]))
    throw new InputError(
      `the preprocessing makes pictures of ${made?.join('x') ?? 'any size'} (height x width) with ${channels} channels, input "${input.name}" is ${printInput(input)}`,
      { tensor: input.name },
    )
}
