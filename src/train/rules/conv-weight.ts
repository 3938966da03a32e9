// Gradient of a convolution at its weight, in the form that ONNX Runtime runs fastest for the shape.
import type { Emitter } from '../graph/emitter.ts'
import { convAttributes } from './conv-input.ts'
import type { ConvShape } from './conv-shape.ts'

/** A depthwise map of at most this many positions is cheaper as one convolution. */
const SMALL_MAP = 16
/**
 * dW of y = Conv(x, w), of w's shape.
 * 1. pointwise: dY·xᵀ of each sample, summed;
 * 2. depthwise on a small map: Conv of x with dY as kernel, samples as channels;
 * 3. else the input unfolded by a Conv with one-hot kernels, then as 1. Costs taps × the memory of the input.
 */
export function convWeightGradient(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  if (conv.pointwise) return pointwise(g, x, dY, conv)
  const small = conv.depthwise && conv.positions <= SMALL_MAP && conv.taps > 1
  return small ? asConv(g, x, dY, conv) : unfolded(g, x, dY, conv)
}

function pointwise(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, positions, kernel } = conv
  const flat = g.reshape(x, [batch, channels, positions])
  const products = g.matMul(g.reshape(dY, [batch, outputs, positions]), flat, { transB: true })
  return g.reshape(g.sum(products, [0]), [outputs, channels, ...kernel])
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
    convAttributes(kernel, strides, dilations, [...begins, ...ends], channels),
  )
  const weightDims = [outputs, channels / groups, ...kernel]
  if (conv.depthwise && outputs === channels) {
    const products = g.matMul(
      g.reshape(columns, [batch, channels, taps, positions]),
      g.reshape(dY, [batch, channels, positions, 1]),
    )
    return g.reshape(g.sum(products, [0]), weightDims)
  }
  const perGroup = (channels / groups) * taps
  const right = g.reshape(columns, [batch, groups, perGroup, positions])
  const products = g.matMul(g.reshape(dY, [batch, groups, outputs / groups, positions]), right, { transB: true })
  return g.reshape(g.sum(products, [0]), weightDims)
}

/** x as [C/g, g·N, …], dY as [M, N, …]: stride and dilation change places, and the result may have rows too many. */
function asConv(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, groups, input, kernel } = conv
  const perGroup = channels / groups
  const spatial = kernel.map((_, axis) => axis)
  const grouped = g.reshape(x, [batch, groups, perGroup, ...input])
  const images = g.reshape(g.transpose(grouped, [2, 1, 0, ...spatial.map((axis) => axis + 3)]), [
    perGroup,
    groups * batch,
    ...input,
  ])
  const kernels = g.transpose(dY, [1, 0, ...spatial.map((axis) => axis + 2)])
  const cut = correlate(g, images, kernels, conv, groups)
  return g.transpose(cut, [1, 0, ...spatial.map((axis) => axis + 2)])
}

/** Conv with a map as kernel: stride and dilation change places, and rows that are too many are cut off. */
function correlate(g: Emitter, images: string, kernels: string, conv: ConvShape, groups: number): string {
  const { input, output, kernel, strides, dilations, begins, ends } = conv
  const size = input.map((length, axis) => {
    const padded = length + (begins[axis] ?? 0) + (ends[axis] ?? 0)
    const reach = (strides[axis] ?? 1) * ((output[axis] ?? 1) - 1) + 1
    return Math.floor((padded - reach) / (dilations[axis] ?? 1)) + 1
  })
  const dims = [g.dims(images)[0] ?? 1, g.dims(kernels)[0] ?? 1, ...size]
  const attributes = convAttributes(output, dilations, strides, [...begins, ...ends], groups)
  const full = g.add('Conv', [images, kernels], dims, attributes)
  const axes = kernel.map((_, axis) => axis + 2)
  const from = axes.map(() => 0)
  return g.slice(full, axes, from, kernel)
}
