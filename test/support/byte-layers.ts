// Small quantised models whose layers read and multiply bytes, with weights and codes as large as a test wants them.
import { randomStream } from '../../src/math/index.ts'
import { type Attribute, type Model, makeNode, Tensor } from '../../src/onnx/index.ts'

export interface ByteLayer {
  /** Channels that the convolution reads. */
  readonly channels?: number
  readonly group?: number
  /** Channels that a group gives. */
  readonly outputs?: number
  /** Largest code of a weight; all lie within 20 below it. */
  readonly most: number
}

/** A 3×3 convolution of codes [1, channels, 6, 6]: uint8 in, int8 weights, uint8 out; its node is "conv". */
export function byteConvolution({ channels = 16, group = 1, outputs = 8, most }: ByteLayer): Model {
  const { integer } = randomStream(most, 'byte layers')
  const shape = [outputs * group, channels / group, 3, 3]
  const size = shape.reduce((a, b) => a * b, 1)
  const initializers = new Map<string, Tensor>([
    ['scale', Tensor.from('float32', [], [0.02])],
    ['zero', Tensor.from('uint8', [], [10])],
    [
      'codes',
      Tensor.from(
        'int8',
        shape,
        Array.from({ length: size }, () => integer(most - 20, most)),
      ),
    ],
    ['scales', Tensor.from('float32', [], [0.01])],
    ['own', Tensor.from('float32', [], [4])],
    ['ownZero', Tensor.from('uint8', [], [0])],
  ])
  const attributes = {
    pads: { type: 'ints', value: [1n, 1n, 1n, 1n] },
    group: { type: 'int', value: BigInt(group) },
  } as const
  return modelOf(
    [
      named('DequantizeLinear', ['x', 'scale', 'zero'], 'read'),
      named('DequantizeLinear', ['codes', 'scales'], 'weight'),
      named('Conv', ['read', 'weight'], 'conv', attributes),
      named('QuantizeLinear', ['conv', 'own', 'ownZero'], 'y'),
    ],
    initializers,
    { x: [1, channels, 6, 6], y: [1, outputs * group, 6, 6] },
    'uint8',
  )
}

/** The same from floats to floats: x [1, channels, 6, 6] is quantised, the convolution, its codes as floats. */
export function floatsAround(inner: Model): Model {
  const { nodes, initializers, inputs, outputs } = inner.graph
  const [dims, own] = [inputs[0]?.shape ?? [], outputs[0]?.shape ?? []]
  const around = [
    named('QuantizeLinear', ['floats', 'scale', 'zero'], 'x'),
    ...nodes,
    named('DequantizeLinear', ['y', 'own', 'ownZero'], 'result'),
  ]
  return modelOf(around, initializers, { floats: dims as number[], result: own as number[] }, 'float32')
}

/** A product with blocks of 4 bits, x [1, 64] → y [1, 8], of a given accuracy level; its node is "y". */
export function blockProduct(level: number): Model {
  const { integer, uniform } = randomStream(0, 'blocks')
  const initializers = new Map<string, Tensor>([
    [
      'codes',
      Tensor.from(
        'uint8',
        [8, 2, 16],
        Array.from({ length: 256 }, () => integer(0, 255)),
      ),
    ],
    [
      'scales',
      Tensor.from(
        'float32',
        [16],
        Array.from({ length: 16 }, () => uniform(0.01, 0.1)),
      ),
    ],
  ])
  const given = { K: 64, N: 8, bits: 4, block_size: 32, accuracy_level: level }
  const attributes = Object.fromEntries(
    Object.entries(given).map(([name, value]): [string, Attribute] => [name, { type: 'int', value: BigInt(value) }]),
  )
  const node = {
    ...named('MatMulNBits', ['x', 'codes', 'scales'], 'y', attributes),
    domain: 'com.microsoft',
  }
  const model = modelOf([node], initializers, { x: [1, 64], y: [1, 8] }, 'float32')
  return { ...model, opsets: new Map([...model.opsets, ['com.microsoft', 1]]) }
}

function named(opType: string, inputs: string[], output: string, attributes: Readonly<Record<string, Attribute>> = {}) {
  return makeNode({ opType, name: output, inputs, outputs: [output], attributes })
}

/** @param ends name → dims of the input and of the output */
function modelOf(
  nodes: Model['graph']['nodes'],
  initializers: Map<string, Tensor>,
  ends: Readonly<Record<string, number[]>>,
  dtype: 'float32' | 'uint8',
): Model {
  const [inputs, outputs] = Object.entries(ends).map(([name, shape]) => [{ name, dtype, shape }])
  return {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producer: 'test',
    metadata: new Map(),
    notes: [],
    graph: { name: 'bytes', nodes, initializers, inputs: inputs ?? [], outputs: outputs ?? [], valueInfo: new Map() },
  }
}
