// Gradient of a convolution at its weight, in the form that ONNX Runtime runs fastest for the shape.
import type { Emitter } from '../graph/emitter.ts'
import { convAttributes } from './conv-input.ts'
import type { ConvShape } from './conv-shape.ts'

/** Tap by tap needs channels enough to fill the vector registers of a matrix product. */
const FILLED = 16

/**
 * dW of y = Conv(x, w), of w's shape.
 * 1. pointwise: dY·xᵀ of each sample, summed; on a map of one position a single product over all samples;
 * 2. depthwise, one output a channel: Conv of x with dY as kernel, each map of each sample a channel of its own;
 * 3. dense, stride 1: for each tap dY times the input moved by that tap;
 * 4. else the input unfolded by a Conv with one-hot kernels, then as 1. Costs taps × the memory of the input.
 */
export function convWeightGradient(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { channels, outputs, groups, kernel, unitStride } = conv
  if (conv.pointwise) return pointwise(g, x, dY, conv)
  if (conv.depthwise && outputs === channels) return depthwise(g, x, dY, conv)
  const dense = groups === 1 && unitStride && Math.min(channels, outputs) >= FILLED && kernel.length === 2
  if (!dense) return unfolded(g, x, dY, conv)
  return conv.input.join() === conv.output.join() ? tapByShift(g, x, dY, conv) : tapByTap(g, x, dY, conv)
}

/** a·bᵀ over the last two axes. The right operand is repacked on the way: it is the one with fewer rows. */
function outer(g: Emitter, a: string, b: string): string {
  const [rows = 1, others = 1] = [g.dims(a).at(-2), g.dims(b).at(-2)]
  if (others <= rows) return g.sum(g.matMul(a, b, { transB: true }), [0])
  const turned = g.sum(g.matMul(b, a, { transB: true }), [0])
  const last = g.dims(turned).length - 1
  return g.transpose(turned, [...Array.from({ length: last - 1 }, (_, axis) => axis), last, last - 1])
}

function pointwise(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, positions, kernel } = conv
  const dims = [outputs, channels, ...kernel]
  if (positions === 1)
    return g.reshape(g.gemm(g.reshape(dY, [batch, outputs]), g.reshape(x, [batch, channels]), { transA: true }), dims)
  const product = outer(g, g.reshape(dY, [batch, outputs, positions]), g.reshape(x, [batch, channels, positions]))
  return g.reshape(product, dims)
}

function tapByTap(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, kernel, dilations, begins, ends, output, positions, taps } = conv
  const padded = g.pad(x, [0, 0, ...begins, 0, 0, ...ends])
  const left = g.reshape(dY, [batch, outputs, positions])
  const columns = Array.from({ length: taps }, (_, tap) => {
    const [down, right] = [Math.floor(tap / (kernel[1] ?? 1)), tap % (kernel[1] ?? 1)]
    const from = [down * (dilations[0] ?? 1), right * (dilations[1] ?? 1)]
    const to = from.map((start, axis) => start + (output[axis] ?? 1))
    const moved = g.reshape(g.slice(padded, [2, 3], { starts: from, ends: to }), [batch, channels, positions])
    return g.reshape(outer(g, left, moved), [outputs, channels, 1])
  })
  return g.reshape(g.concat(columns, 2), [outputs, channels, ...kernel])
}

/**
 * Tap by tap where input and output map have one size: x moved sideways times dY moved up and down the other way, zeros
 * coming in. A 3×3 kernel takes two copies of each, and not nine of x.
 */
function tapByShift(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, kernel, dilations, begins, positions } = conv
  const moves = (axis: number) =>
    Array.from({ length: kernel[axis] ?? 1 }, (_, tap) => tap * (dilations[axis] ?? 1) - (begins[axis] ?? 0))
  const shifted = (value: string, axis: 2 | 3, by: number) => {
    const front = axis === 2 ? [0, 0, by, 0] : [0, 0, 0, -by]
    return by === 0 ? value : g.pad(value, [...front, ...front.map((count) => -count)])
  }
  const right = moves(1).map((by) => g.reshape(shifted(x, 3, by), [batch, channels, positions]))
  const columns = moves(0).flatMap((by) => {
    const left = g.reshape(shifted(dY, 2, by), [batch, outputs, positions])
    return right.map((moved) => g.reshape(outer(g, left, moved), [outputs, channels, 1]))
  })
  return g.reshape(g.concat(columns, 2), [outputs, channels, ...kernel])
}

function unfolded(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, groups, output, kernel, taps, positions } = conv
  const { strides, dilations, begins, ends } = conv
  const selectors = new Float32Array(channels * taps * taps)
  for (let row = 0; row < channels * taps; row++) selectors[row * taps + (row % taps)] = 1
  const columns = g.add(
    'Conv',
    [x, g.floats([channels * taps, 1, ...kernel], selectors)],
    [batch, channels * taps, ...output],
    convAttributes({ kernel, strides, dilations, pads: [...begins, ...ends], groups: channels }),
  )
  const weightDims = [outputs, channels / groups, ...kernel]
  const perGroup = (channels / groups) * taps
  const right = g.reshape(columns, [batch, groups, perGroup, positions])
  return g.reshape(outer(g, g.reshape(dY, [batch, groups, outputs / groups, positions]), right), weightDims)
}

/** x as [1, N·C, …], dY as [N·C, 1, …]: one map a group. */
function depthwise(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, input, output, kernel } = conv
  const images = g.reshape(x, [1, batch * channels, ...input])
  const kernels = g.reshape(dY, [batch * channels, 1, ...output])
  const each = correlate(g, images, kernels, { ...conv, groups: batch * channels })
  return g.reshape(g.sum(g.reshape(each, [batch, channels, ...kernel]), [0]), [channels, 1, ...kernel])
}

/** Conv with a map as kernel: stride and dilation change places, and rows that are too many are cut off. */
function correlate(g: Emitter, images: string, kernels: string, conv: ConvShape): string {
  const { input, output, kernel, strides, dilations, begins, ends, groups } = conv
  const size = input.map((length, axis) => {
    const padded = length + (begins[axis] ?? 0) + (ends[axis] ?? 0)
    const reach = (strides[axis] ?? 1) * ((output[axis] ?? 1) - 1) + 1
    return Math.floor((padded - reach) / (dilations[axis] ?? 1)) + 1
  })
  const dims = [g.dims(images)[0] ?? 1, g.dims(kernels)[0] ?? 1, ...size]
  const attributes = convAttributes({
    kernel: output,
    strides: dilations,
    dilations: strides,
    pads: [...begins, ...ends],
    groups,
  })
  const full = g.add('Conv', [images, kernels], dims, attributes)
  const axes = kernel.map((_, axis) => axis + 2)
  const from = axes.map(() => 0)
  return g.slice(full, axes, { starts: from, ends: kernel })
}
