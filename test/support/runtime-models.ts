// Models that ask something unusual of a runtime.
import { intAttr, intsAttr, type Model, makeModel, makeNode, Tensor } from '../../src/onnx/index.ts'

/** x[1,1,8,8] -> Q/DQ -> AveragePool with dilations -> Q/DQ -> y: the integer kernel that it is turned into knows no dilations. */
export function dilatedPool(): Model {
  const io = (name: string) => ({ name, dtype: 'float32' as const, shape: [1, 1, null, null] })
  const pair = (value: string, name: string) => [
    makeNode({ opType: 'QuantizeLinear', inputs: [value, 'scale', 'zero'], outputs: [`${name}_q`] }),
    makeNode({ opType: 'DequantizeLinear', inputs: [`${name}_q`, 'scale', 'zero'], outputs: [name] }),
  ]
  const model = makeModel({
    name: 'dilated',
    inputs: [io('x')],
    outputs: [io('y')],
    initializers: { scale: Tensor.scalar(0.05), zero: Tensor.from('uint8', [], [128]) },
    nodes: [
      ...pair('x', 'a'),
      makeNode({
        opType: 'AveragePool',
        name: 'pool',
        inputs: ['a'],
        outputs: ['p'],
        attributes: { kernel_shape: intsAttr([2, 2]), dilations: intsAttr([2, 2]) },
      }),
      ...pair('p', 'y'),
    ],
  })
  return { ...model, opsets: new Map([['', 19]]) }
}

/** x uint8[1,4] -> DequantizeLinear of another domain a -> Relu y: nothing in the file says that a is float32. */
export function foreignTypes(): Model {
  const model = makeModel({
    name: 'foreign',
    inputs: [{ name: 'x', dtype: 'uint8', shape: [1, 4] }],
    outputs: [{ name: 'y' }],
    initializers: { scale: Tensor.scalar(0.5), zero: Tensor.from('uint8', [], [0]) },
    nodes: [
      makeNode({
        opType: 'DequantizeLinear',
        domain: 'com.microsoft',
        inputs: ['x', 'scale', 'zero'],
        outputs: ['a'],
      }),
      makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['y'] }),
    ],
  })
  model.opsets.set('com.microsoft', 1)
  return model
}

/** x[1,4] -> SplitToSequence s (an output too); s -> SequenceAt 0 first -> Relu a; s -> SequenceAt 1 second; a, second -> Add y. */
export function sequenceModel(): Model {
  return makeModel({
    name: 'sequence',
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 4] }],
    outputs: [
      { name: 'y', dtype: 'float32' },
      { name: 's', container: { dtype: 'float32', inside: ['sequence'] } },
    ],
    initializers: {
      two: Tensor.from('int64', [], [2]),
      zero: Tensor.from('int64', [], [0]),
      one: Tensor.from('int64', [], [1]),
    },
    nodes: [
      makeNode({
        opType: 'SplitToSequence',
        inputs: ['x', 'two'],
        outputs: ['s'],
        attributes: { axis: intAttr(1) },
      }),
      makeNode({ opType: 'SequenceAt', inputs: ['s', 'zero'], outputs: ['first'] }),
      makeNode({ opType: 'Relu', inputs: ['first'], outputs: ['a'] }),
      makeNode({ opType: 'SequenceAt', inputs: ['s', 'one'], outputs: ['second'] }),
      makeNode({ opType: 'Add', inputs: ['a', 'second'], outputs: ['y'] }),
    ],
  })
}
