// Models of any size, seeded: a chain of matrix products, encoders of sentences, a residual network for pictures.
import { floatAttr, intAttr, intsAttr, type Model } from '../../src/onnx/index.ts'
import { axis, GraphBuilder, perm } from './graph-builder.ts'

/** `layers` products, to `wide` columns and back to `narrow`; 22 of 4096 and 8192 are 2.95 GB. */
export function matrixChain(layers: number, narrow: number, wide: number): Model {
  const graph = new GraphBuilder('chain', [{ name: 'x', dtype: 'float32', shape: ['N', narrow] }])
  let value = 'x'
  for (let i = 0; i < layers; i++) {
    const [from, to] = i % 2 === 0 ? [narrow, wide] : [wide, narrow]
    value = graph.node('MatMul', [value, graph.weight([from, to], from)])
  }
  return graph.finish(value, ['N', layers % 2 === 0 ? narrow : wide])
}

export interface EncoderSize {
  readonly hidden: number
  readonly layers: number
  readonly vocabulary: number
}

const HEAD = 64

/** A transformer encoder as exporters write it: table, attention, feed-forward layers four times as wide, LayerNormalization. */
export function encoder({ hidden, layers, vocabulary }: EncoderSize): Model {
  const graph = new GraphBuilder('encoder', [{ name: 'input_ids', dtype: 'int64', shape: ['N', 'S'] }])
  const norm = (value: string) =>
    graph.node('LayerNormalization', [value, graph.constant([hidden], 1), graph.constant([hidden], 0)], {
      ...axis(-1),
      epsilon: floatAttr(1e-5),
    })
  const dense = (value: string, from: number, to: number) =>
    graph.node('Add', [graph.node('MatMul', [value, graph.weight([from, to], from)]), graph.weight([to], 100)])
  let value = norm(graph.node('Gather', [graph.weight([vocabulary, hidden], 1), 'input_ids'], axis(0)))
  for (let i = 0; i < layers; i++) {
    const heads = hidden / HEAD
    const part = (...order: readonly number[]) =>
      graph.node(
        'Transpose',
        [graph.node('Reshape', [dense(value, hidden, hidden), graph.ints([0, -1, heads, HEAD])])],
        perm(...order),
      )
    const [queries, keys, values] = [part(0, 2, 1, 3), part(0, 2, 3, 1), part(0, 2, 1, 3)]
    const scores = graph.node('Div', [graph.node('MatMul', [queries, keys]), graph.constant([], Math.sqrt(HEAD))])
    const mixed = graph.node('MatMul', [graph.node('Softmax', [scores], axis(-1)), values])
    const joined = graph.node('Reshape', [
      graph.node('Transpose', [mixed], perm(0, 2, 1, 3)),
      graph.ints([0, -1, hidden]),
    ])
    value = norm(graph.node('Add', [value, dense(joined, hidden, hidden)]))
    const inner = dense(value, hidden, 4 * hidden)
    const bent = graph.node('Erf', [graph.node('Div', [inner, graph.constant([], Math.SQRT2)])])
    const gelu = graph.node('Mul', [
      graph.node('Mul', [inner, graph.node('Add', [bent, graph.constant([], 1)])]),
      graph.constant([], 0.5),
    ])
    value = norm(graph.node('Add', [value, dense(gelu, 4 * hidden, hidden)]))
  }
  return graph.finish(value, ['N', 'S', hidden])
}

const STAGES = [
  { blocks: 3, width: 64 },
  { blocks: 4, width: 128 },
  { blocks: 6, width: 256 },
  { blocks: 3, width: 512 },
]

/** ResNet-50 for pictures of 224×224, with random weights. */
export function resnet50(): Model {
  const graph = new GraphBuilder('resnet50', [{ name: 'x', dtype: 'float32', shape: ['N', 3, 224, 224] }])
  const conv = (value: string, [from, to]: readonly [number, number], kernel: number, stride: number) => {
    const pad = kernel >> 1
    const sums = graph.node('Conv', [value, graph.weight([to, from, kernel, kernel], from * kernel * kernel)], {
      strides: intsAttr([stride, stride]),
      pads: intsAttr([pad, pad, pad, pad]),
    })
    const [one, zero] = [graph.constant([to], 1), graph.constant([to], 0)]
    return graph.node('BatchNormalization', [sums, one, zero, zero, one])
  }
  const relu = (value: string) => graph.node('Relu', [value])
  let value = graph.node('MaxPool', [relu(conv('x', [3, 64], 7, 2))], {
    kernel_shape: intsAttr([3, 3]),
    strides: intsAttr([2, 2]),
    pads: intsAttr([1, 1, 1, 1]),
  })
  let channels = 64
  for (const [stage, { blocks, width }] of STAGES.entries())
    for (let i = 0; i < blocks; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1
      const wide = 4 * width
      const first = relu(conv(value, [channels, width], 1, 1))
      const last = conv(relu(conv(first, [width, width], 3, stride)), [width, wide], 1, 1)
      const shortcut = channels === wide ? value : conv(value, [channels, wide], 1, stride)
      value = relu(graph.node('Add', [last, shortcut]))
      channels = wide
    }
  const pooled = graph.node('Flatten', [graph.node('GlobalAveragePool', [value])])
  const scores = graph.node('Gemm', [pooled, graph.weight([1000, channels], channels), graph.constant([1000], 0)], {
    transB: intAttr(1),
  })
  return graph.finish(scores, ['N', 1000])
}
