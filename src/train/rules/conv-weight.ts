// Gradient of a convolution at its weight, in the form that ONNX Runtime runs fastest for the shape.
import { intsAttr } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { convAttributes } from './conv-input.ts'
import type { ConvShape } from './conv-shape.ts'

/** A depthwise map of at most this many positions is cheaper as one convolution. */
const SMALL_MAP = 16
/** Below, the unfolded input has too few rows for its matrix product to be fast. */
const FEW_CHANNELS = 16

/**
 * dW of y = Conv(x, w), of w's shape.
 * 1. pointwise: dY·xᵀ of each sample, summed;
 * 2. depthwise on a small map, or few channels: Conv of x with dY as kernel, samples as channels;
 * 3. else the input unfolded by a Conv with one-hot kernels, then as 1. Costs taps × the memory of the input.
 */
export function convWeightGradient(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  if (conv.pointwise) return pointwise(g, x, dY, conv)
  const strided = conv.taps === 1
  const direct = conv.depthwise ? conv.positions <= SMALL_MAP : conv.channels < FEW_CHANNELS
  return direct && !strided ? asConv(g, x, dY, conv) : unfolded(g, x, dY, conv)
}

function pointwise(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, positions, kernel } = conv
  const columns = g.transpose(g.reshape(x, [batch, channels, positions]), [0, 2, 1])
  const products = g.matMul(g.reshape(dY, [batch, outputs, positions]), columns)
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
  const right = g.transpose(g.reshape(columns, [batch, groups, perGroup, positions]), [0, 1, 3, 2])
  const products = g.matMul(g.reshape(dY, [batch, groups, outputs / groups, positions]), right)
  return g.reshape(g.sum(products, [0]), weightDims)
}

/** x as [C/g, g·N, …], dY as [M, N, …]: stride and dilation change places, and the result may have rows too many. */
function asConv(g: Emitter, x: string, dY: string, conv: ConvShape): string {
  const { batch, channels, outputs, groups, input, output, kernel, strides, dilations, begins, ends } = conv
  const perGroup = channels / groups
  const spatial = kernel.map((_, axis) => axis)
  const grouped = g.reshape(x, [batch, groups, perGroup, ...input])
  const images = g.reshape(g.transpose(grouped, [2, 1, 0, ...spatial.map((axis) => axis + 3)]), [
    perGroup,
    groups * batch,
    ...input,
  ])
  const kernels = g.transpose(dY, [1, 0, ...spatial.map((axis) => axis + 2)])
  const size = input.map((length, axis) => {
    const padded = length + (begins[axis] ?? 0) + (ends[axis] ?? 0)
    const reach = (strides[axis] ?? 1) * ((output[axis] ?? 1) - 1) + 1
    return Math.floor((padded - reach) / (dilations[axis] ?? 1)) + 1
  })
  const attributes = convAttributes(output, dilations, strides, [...begins, ...ends], groups)
  const full = g.add('Conv', [images, kernels], [perGroup, outputs, ...size], {
    ...attributes,
    kernel_shape: intsAttr(output),
  })
  const axes = spatial.map((axis) => axis + 2)
  const cut = g.slice(
    full,
    axes,
    axes.map(() => 0),
    kernel,
  )
  return g.transpose(cut, [1, 0, ...axes])
}
