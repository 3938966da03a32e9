// Pools. MaxPool asks the forward node for the positions it chose; comparing values would count ties twice.
import { sizeOf, UnsupportedError } from '../../base/index.ts'
import { intAttribute, intsAttr, intsAttribute, type Node, nodeName, stringAttr } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineUnary, type GradientRule, type Site } from '../graph/rule.ts'
import { convAttributes } from './conv-input.ts'

interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly begins: readonly number[]
  readonly ends: readonly number[]
}

function windowOf(node: Node): Window {
  const kernel = intsAttribute(node, 'kernel_shape') ?? []
  const pads = intsAttribute(node, 'pads') ?? [...kernel, ...kernel].map(() => 0)
  return {
    kernel,
    strides: intsAttribute(node, 'strides') ?? kernel.map(() => 1),
    begins: pads.slice(0, kernel.length),
    ends: pads.slice(kernel.length),
  }
}

/** dY goes to the chosen elements: MaxUnpool where windows do not overlap, else added up by ScatterElements. */
const maxPool = defineUnary('MaxPool', (g, { node, x, y, dY }) => {
  const dims = g.dims(x)
  const chosen = g.extraOutput(node, 1, g.dims(y), 'int64')
  const { kernel, strides } = windowOf(node)
  const apart = kernel.every((size, axis) => size <= (strides[axis] ?? 1))
  if (apart && kernel.length === 2) {
    const attributes = { kernel_shape: intsAttr(kernel), strides: intsAttr(strides) }
    return g.add('MaxUnpool', [dY, chosen, g.ints(dims)], dims, attributes)
  }
  const flat = [g.size(x)]
  const scattered = g.add(
    'ScatterElements',
    [g.filled(flat, 0), g.reshape(chosen, [g.size(y)]), g.reshape(dY, [g.size(y)])],
    flat,
    { reduction: stringAttr('add') },
  )
  return g.reshape(scattered, dims)
})

/** dY over the number of elements of each window, spread by a ConvTranspose with ones. */
const averagePool = defineUnary('AveragePool', (g, site) => {
  const { node, x, y, dY } = site
  const { kernel, strides, begins, ends } = windowOf(node)
  const [batch = 1, channels = 1, ...input] = g.dims(x)
  const output = g.dims(y).slice(2)
  if (intAttribute(node, 'ceil_mode', 0) === 1 || intsAttribute(node, 'dilations')?.some((d) => d !== 1))
    throw new UnsupportedError(
      `cannot train through node "${nodeName(node)}": an AveragePool with ceil_mode or dilations has no gradient rule`,
      { node: nodeName(node), op: node.opType, code: 'no-gradient-rule' },
    )
  const counted = counts(site, { kernel, strides, begins, ends }, input, output)
  const shares = g.times(dY, counted.length === 1 ? g.scalar(counted[0] ?? 0) : g.floats([1, 1, ...output], counted))
  const unreached = input.map(
    (size, axis) => (size + (begins[axis] ?? 0) + (ends[axis] ?? 0) - (kernel[axis] ?? 1)) % (strides[axis] ?? 1),
  )
  const spread = g.add(
    'ConvTranspose',
    [g.reshape(shares, [batch * channels, 1, ...output]), g.filled([1, 1, ...kernel], 1)],
    [batch * channels, 1, ...input],
    {
      ...convAttributes({ kernel, strides, pads: [...begins, ...ends] }),
      output_padding: intsAttr(unreached),
    },
  )
  return g.reshape(spread, g.dims(x))
})

/** 1 ÷ the number of elements that each window averages; one number when all are equal. */
function counts({ node }: Site, window: Window, input: readonly number[], output: readonly number[]): number[] {
  const { kernel, strides, begins, ends } = window
  const whole = sizeOf(kernel)
  if (intAttribute(node, 'count_include_pad', 0) === 1 || [...begins, ...ends].every((pad) => pad === 0))
    return [1 / whole]
  return Array.from({ length: sizeOf(output) }, (_, position) => {
    let count = 1
    let rest = position
    for (let axis = output.length - 1; axis >= 0; axis--) {
      const from = (rest % (output[axis] ?? 1)) * (strides[axis] ?? 1) - (begins[axis] ?? 0)
      rest = Math.floor(rest / (output[axis] ?? 1))
      count *= Math.min(from + (kernel[axis] ?? 1), input[axis] ?? 0) - Math.max(from, 0)
    }
    return 1 / count
  })
}

const spatial = (g: Emitter, x: string) => g.dims(x).slice(2)

const globalAveragePool = defineUnary('GlobalAveragePool', (g, { x, dY }) =>
  g.expand(g.scaled(dY, 1 / sizeOf(spatial(g, x))), g.dims(x)),
)

/** dY to every maximum, divided among ties. */
const globalMaxPool = defineUnary('GlobalMaxPool', (g, { x, y, dY }) => {
  const mask = g.mask('Equal', x, y)
  const axes = spatial(g, x).map((_, axis) => axis + 2)
  return g.times(mask, g.over(dY, g.sum(mask, axes, true)))
})

export const poolRules: readonly GradientRule[] = [maxPool, averagePool, globalAveragePool, globalMaxPool]
