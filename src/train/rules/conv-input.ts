// Gradient of a convolution at its input, in the form that ONNX Runtime runs fastest for the shape.
import { sizeOf } from '../../base/index.ts'
import { type Attribute, intAttr, intsAttr } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import type { ConvShape } from './conv-shape.ts'

/**
 * dX of y = Conv(x, w).
 * 1. pointwise: Conv of dY with Wᵀ;
 * 2. stride 1, at least 8 channels or depthwise: Conv of dY with the flipped weight, where that is not much more work;
 * 3. else: ConvTranspose with the weight as it is.
 */
export function convInputGradient(g: Emitter, dY: string, weight: string, conv: ConvShape): string {
  if (conv.pointwise) return pointwise(g, dY, weight, conv)
  const flips = conv.unitStride && (conv.channels >= 8 || conv.depthwise) && !isWasteful(conv)
  return flips ? flipped(g, dY, weight, conv) : convTranspose(g, dY, weight, conv)
}

/** Channels that a vectorised convolution computes at once. */
const VECTOR = 16
/** How many times the multiplications of a ConvTranspose a convolution may have, and still be faster. */
const MOST_WASTE = 4

/** Does a Conv that makes the whole input map do much more than a ConvTranspose that starts from the output map? */
function isWasteful({ depthwise, channels, outputs, groups, input, positions }: ConvShape): boolean {
  if (depthwise) return false
  const filled = (count: number) => Math.ceil(count / VECTOR) * VECTOR
  const waste = (filled(channels / groups) * filled(outputs / groups) * groups) / ((channels * outputs) / groups)
  return (waste * sizeOf(input)) / positions > MOST_WASTE
}

function pointwise(g: Emitter, dY: string, weight: string, conv: ConvShape): string {
  const { batch, channels, outputs, input, kernel } = conv
  const turned = g.reshape(g.transpose(g.reshape(weight, [outputs, channels]), [1, 0]), [channels, outputs, ...kernel])
  return g.add('Conv', [dY, turned], [batch, channels, ...input], convAttributes({ kernel }))
}

/** ConvTranspose with output_padding: the input rows that the kernel never reached have gradient 0. */
export function convTranspose(g: Emitter, dY: string, weight: string, conv: ConvShape): string {
  const { batch, channels, input, kernel, strides, dilations, begins, ends, groups } = conv
  const unreached = input.map((size, axis) => {
    const free = size + (begins[axis] ?? 0) + (ends[axis] ?? 0) - (dilations[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) - 1
    return free % (strides[axis] ?? 1)
  })
  return g.add('ConvTranspose', [dY, weight], [batch, channels, ...input], {
    ...convAttributes({ kernel, strides, dilations, pads: [...begins, ...ends], groups }),
    output_padding: intsAttr(unreached),
  })
}

function flipped(g: Emitter, dY: string, weight: string, conv: ConvShape): string {
  const { batch, channels, outputs, groups, input, output, kernel, dilations, begins, taps } = conv
  const perGroup = channels / groups
  let turned = weight
  if (taps > 1) {
    const backwards = Array.from({ length: taps }, (_, t) => taps - 1 - t)
    turned = g.gather(g.reshape(turned, [groups, outputs / groups, perGroup, taps]), backwards, 3)
  } else turned = g.reshape(turned, [groups, outputs / groups, perGroup, taps])
  turned = g.reshape(g.transpose(turned, [0, 2, 1, 3]), [channels, outputs / groups, ...kernel])
  const reach = kernel.map((size, axis) => (dilations[axis] ?? 1) * (size - 1))
  const front = begins.map((pad, axis) => (reach[axis] ?? 0) - pad)
  const back = front.map((pad, axis) => (input[axis] ?? 0) - (output[axis] ?? 0) - pad + (reach[axis] ?? 0))
  // A negative pad cuts rows off instead.
  const axes = kernel.map((_, axis) => axis + 2)
  const cut = g.slice(dY, axes, {
    starts: front.map((pad) => Math.max(0, -pad)),
    ends: output.map((size, axis) => size - Math.max(0, -(back[axis] ?? 0))),
  })
  const pads = [...front, ...back].map((pad) => Math.max(0, pad))
  return g.add('Conv', [cut, turned], [batch, channels, ...input], convAttributes({ kernel, dilations, pads, groups }))
}

/** How a Conv or ConvTranspose goes over a map; steps of 1 without pads in one group, unless given. */
export interface ConvWindow {
  readonly kernel: readonly number[]
  readonly strides?: readonly number[] | undefined
  readonly dilations?: readonly number[] | undefined
  /** All begins, then all ends. */
  readonly pads?: readonly number[] | undefined
  readonly groups?: number
}

/** The attributes of a Conv or ConvTranspose. */
export function convAttributes({
  kernel,
  strides = kernel.map(() => 1),
  dilations = kernel.map(() => 1),
  pads = [...kernel, ...kernel].map(() => 0),
  groups = 1,
}: ConvWindow): Record<string, Attribute> {
  return {
    kernel_shape: intsAttr(kernel),
    strides: intsAttr(strides),
    dilations: intsAttr(dilations),
    pads: intsAttr(pads),
    group: intAttr(groups),
  }
}
