// Operators that pick elements by index, cut triangles and sum along an axis.
import { intAttr, intAttribute, stringAttr } from '../../onnx/index.ts'
import { defineGradient, defineUnary, type GradientRule } from '../graph/rule.ts'

/** Elements that were picked several times add up. */
const gatherElements = defineUnary('GatherElements', (g, { node, inputs, x, dY }) =>
  g.add('ScatterElements', [g.filled(g.dims(x), 0), inputs[1] ?? '', dY], g.dims(x), {
    axis: intAttr(intAttribute(node, 'axis', 0)),
    reduction: stringAttr('add'),
  }),
)

/** ScatterND has no axes of batches: they become indices. */
const gatherNd = defineUnary('GatherND', (g, { node, inputs, x, dY }) => {
  const indices = inputs[1] ?? ''
  const dims = g.dims(indices)
  let places = indices
  for (let axis = intAttribute(node, 'batch_dims', 0) - 1; axis >= 0; axis--) {
    const size = dims[axis] ?? 1
    const own = g.reshape(g.ints(Array.from({ length: size }, (_, i) => i)), [
      ...dims.slice(0, -1).map((_, i) => (i === axis ? size : 1)),
      1,
    ])
    const wide = [...dims.slice(0, -1), 1]
    const repeated = g.typed(g.add('Expand', [own, g.ints(wide)], wide), 'int64')
    places = g.concat([repeated, places], dims.length - 1)
  }
  return g.add('ScatterND', [g.filled(g.dims(x), 0), places, dY], g.dims(x), { reduction: stringAttr('add') })
})

/** The same triangle of the gradient. */
const trilu: GradientRule = defineGradient({
  op: 'Trilu',
  build: (g, { node, inputs, dY }) => [
    () => g.add('Trilu', [dY, ...inputs.slice(1)], g.dims(dY), { upper: intAttr(intAttribute(node, 'upper', 1)) }),
  ],
})

/** Summed from the other end. */
const cumSum: GradientRule = defineGradient({
  op: 'CumSum',
  build: (g, { node, inputs, dY }) => [
    () =>
      g.add('CumSum', [dY, inputs[1] ?? ''], g.dims(dY), {
        exclusive: intAttr(intAttribute(node, 'exclusive', 0)),
        reverse: intAttr(1 - intAttribute(node, 'reverse', 0)),
      }),
  ],
})

export const indexedRules: readonly GradientRule[] = [gatherElements, gatherNd, trilu, cumSum]
