// Conv and ConvTranspose: each is the other's gradient.
import { UnsupportedError } from '../../base/index.ts'
import { type Node, nodeName, stringAttribute } from '../../onnx/index.ts'
import { defineGradient, type GradientRule } from '../graph/rule.ts'
import { convAttributes, convInputGradient } from './conv-input.ts'
import { convShape } from './conv-shape.ts'
import { convWeightGradient } from './conv-weight.ts'

/** y = Conv(x, w) + b: forms by shape, db = Σ dY. */
const conv: GradientRule = defineGradient({
  op: 'Conv',
  build: (g, { node, inputs, x, y, dY }) => {
    const weight = inputs[1] ?? ''
    const shape = convShape(withExplicitPads(node), g.dims(x), g.dims(weight), g.dims(y))
    return [
      () => convInputGradient(g, dY, weight, shape),
      () => convWeightGradient(g, x, dY, shape),
      () => g.sum(dY, allButChannels(g.dims(dY))),
    ]
  },
})

/** y = ConvTranspose(x, w) + b, w [C, M/g, …]: the Conv with the same weight takes y's shape to x's. */
const convTranspose: GradientRule = defineGradient({
  op: 'ConvTranspose',
  build: (g, { node, inputs, x, y, dY }) => {
    const weight = inputs[1] ?? ''
    const shape = convShape(withExplicitPads(node), g.dims(y), g.dims(weight), g.dims(x))
    const { kernel, strides, dilations, begins, ends, groups } = shape
    const attributes = convAttributes({ kernel, strides, dilations, pads: [...begins, ...ends], groups })
    return [
      () => g.add('Conv', [dY, weight], g.dims(x), attributes),
      () => convWeightGradient(g, dY, x, shape),
      () => g.sum(dY, allButChannels(g.dims(dY))),
    ]
  },
})

function allButChannels(dims: readonly number[]): number[] {
  return dims.flatMap((_, axis) => (axis === 1 ? [] : [axis]))
}

function withExplicitPads(node: Node): Node {
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  if ((auto !== 'NOTSET' && auto !== '') || node.attributes.has('output_shape'))
    throw new UnsupportedError(
      `cannot train through node "${nodeName(node)}" (${node.opType}): its padding is automatic and could not be written down as numbers; export the model with explicit pads`,
      { node: nodeName(node), op: node.opType },
    )
  return node
}

export const convRules: readonly GradientRule[] = [conv, convTranspose]
