// What the gradient of a convolution needs to know of it, for any number of spatial axes.
import { sizeOf } from '../../base/index.ts'
import { intAttribute, intsAttribute, type Node } from '../../onnx/index.ts'

export interface ConvShape {
  readonly batch: number
  /** Input channels, output channels, groups. */
  readonly channels: number
  readonly outputs: number
  readonly groups: number
  /** Sizes of the input map, the output map and the kernel. */
  readonly input: readonly number[]
  readonly output: readonly number[]
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  /** Elements of kernel and output map. */
  readonly taps: number
  readonly positions: number
  /** 1×1, stride 1, no padding, one group: a matrix product. */
  readonly pointwise: boolean
  readonly depthwise: boolean
  readonly unitStride: boolean
}

/** Reads a Conv with explicit pads: x [N, C, …], weight [M, C/g, …], output [N, M, …]. */
export function convShape(
  node: Node,
  x: readonly number[],
  weight: readonly number[],
  y: readonly number[],
): ConvShape {
  const kernel = weight.slice(2)
  const ones = kernel.map(() => 1)
  const strides = intsAttribute(node, 'strides') ?? ones
  const dilations = intsAttribute(node, 'dilations') ?? ones
  const pads = intsAttribute(node, 'pads') ?? [...ones, ...ones].map(() => 0)
  const groups = intAttribute(node, 'group', 1)
  const [batch = 1, channels = 1, ...input] = x
  const [, outputs = 1, ...output] = y
  const unitStride = strides.every((stride) => stride === 1)
  const unpadded = pads.every((pad) => pad === 0)
  return {
    batch,
    channels,
    outputs,
    groups,
    input,
    output,
    kernel,
    strides,
    dilations,
    begins: pads.slice(0, kernel.length),
    ends: pads.slice(kernel.length),
    taps: sizeOf(kernel),
    positions: sizeOf(output),
    pointwise: sizeOf(kernel) === 1 && unitStride && unpadded && groups === 1,
    depthwise: groups > 1 && groups === channels,
    unitStride,
  }
}
