// Operators whose output has another element type than their first input.
import { intAttribute, tensorAttribute } from '../attributes.ts'
import { dtypeOf } from '../dtype.ts'
import { defineOp, type OpFacts } from './facts.ts'

const int64 = (op: string): OpFacts => defineOp({ op, dtype: () => 'int64' })
const bool = (op: string): OpFacts => defineOp({ op, dtype: () => 'bool' })

export const typeOps: readonly OpFacts[] = [
  ...['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero', 'NonMaxSuppression'].map(int64),
  ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Not', 'And', 'Or', 'Xor', 'IsNaN', 'IsInf'].map(
    bool,
  ),
  defineOp({ op: 'Where', dtype: (_node, _index, inputs) => inputs(1) }),
  defineOp({ op: 'TopK', dtype: (_node, index, inputs) => (index === 1 ? 'int64' : inputs(0)) }),
  defineOp({ op: 'Unique', dtype: (_node, index, inputs) => (index === 0 ? inputs(0) : 'int64') }),
  defineOp({
    op: 'ConstantOfShape',
    dtype: (node) => tensorAttribute(node, 'value')?.dtype ?? 'float32',
  }),
  defineOp({
    op: 'Constant',
    dtype: (node) => {
      const [name] = node.attributes.keys()
      if (name === 'value') return tensorAttribute(node, 'value')?.dtype
      if (name === 'value_int' || name === 'value_ints') return 'int64'
      return name === 'value_string' || name === 'value_strings' ? 'string' : 'float32'
    },
  }),
  ...[
    'RandomNormal',
    'RandomUniform',
    'EyeLike',
    'Multinomial',
    'Bernoulli',
    'RandomNormalLike',
    'RandomUniformLike',
  ].map((op) =>
    defineOp({
      op,
      typeAttributes: ['dtype'],
      dtype: (node, _index, inputs) => {
        const given = intAttribute(node, 'dtype', 0)
        return given === 0 ? (inputs(0) ?? 'float32') : dtypeOf(given)
      },
    }),
  ),
  ...['HannWindow', 'HammingWindow', 'BlackmanWindow', 'MelWeightMatrix'].map((op) =>
    defineOp({
      op,
      typeAttributes: ['output_datatype'],
      dtype: (node) => dtypeOf(intAttribute(node, 'output_datatype', 1)),
    }),
  ),
]
