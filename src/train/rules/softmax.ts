// Softmax and LogSoftmax over one axis, and the loss operator that holds one.
import { UnsupportedError } from '../../base/index.ts'
import { intAttr, intAttribute, nodeName, stringAttribute, Tensor } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, defineUnary, type GradientRule, type Site } from '../graph/rule.ts'

function axisOf(g: Emitter, { node, x }: Site): number {
  const axis = intAttribute(node, 'axis', -1)
  return axis < 0 ? axis + g.dims(x).length : axis
}

/** y·(dY − Σ dY·y). */
const softmax = defineUnary('Softmax', (g, site) => {
  const { y, dY } = site
  return g.times(y, g.minus(dY, g.sum(g.times(dY, y), [axisOf(g, site)], true)))
})

/** dY − eʸ·Σ dY. */
const logSoftmax = defineUnary('LogSoftmax', (g, site) => {
  const { y, dY } = site
  return g.minus(dY, g.times(g.unary('Exp', y), g.sum(dY, [axisOf(g, site)], true)))
})

/** (softmax(x) − one-hot)·dY, over the number of rows for the mean. Class axis 1, no class weights. */
const crossEntropy: GradientRule = defineGradient({
  op: 'SoftmaxCrossEntropyLoss',
  build: (g, { node, inputs, outputs, x, dY }) => {
    const [, labels = '', weights] = inputs
    const reduction = stringAttribute(node, 'reduction', 'mean')
    if (weights || node.attributes.has('ignore_index') || outputs[1])
      throw new UnsupportedError(
        `cannot train through node "${nodeName(node)}": class weights, ignore_index and a second output of SoftmaxCrossEntropyLoss have no gradient rule; write the loss with LogSoftmax`,
        { node: nodeName(node), op: node.opType, code: 'no-gradient-rule' },
      )
    return [
      () => {
        const dims = g.dims(x)
        const depth = g.constant(Tensor.from('int64', [], [dims[1] ?? 1]))
        const target = g.add('OneHot', [labels, depth, g.floats([2], [0, 1])], dims, { axis: intAttr(1) })
        const error = g.minus(g.unary('Softmax', x, { axis: intAttr(1) }), target)
        const rows = g.size(labels)
        if (reduction === 'none') return g.times(error, g.reshape(dY, [dims[0] ?? 1, 1, ...dims.slice(2)]))
        return g.times(reduction === 'mean' ? g.scaled(error, 1 / rows) : error, dY)
      },
    ]
  },
})

export const softmaxRules: readonly GradientRule[] = [softmax, logSoftmax, crossEntropy]
