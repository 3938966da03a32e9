// Element types of operators of which nothing else is known: that of their first input, or another one.
import { intAttribute, tensorAttribute } from '../attributes.ts'
import { dtypeOf } from '../dtype.ts'
import { defineOp, type OpFacts } from './facts.ts'

const int64 = (op: string): OpFacts => defineOp({ op, dtype: () => 'int64' })
const bool = (op: string): OpFacts => defineOp({ op, dtype: () => 'bool' })

/** Operators whose outputs all have the element type of their first input, in every opset. */
const likeFirst = [
  ...[
    'Acos',
    'Acosh',
    'AffineGrid',
    'Asin',
    'Asinh',
    'Atan',
    'Atanh',
    'Cosh',
    'Sinh',
    'Tan',
    'Sign',
    'Det',
    'Pow',
    'Mod',
  ],
  ...['BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor', 'Div', 'Range', 'Einsum', 'CumProd', 'CumSum'],
  ...['Celu', 'Selu', 'Shrink', 'Softsign', 'Swish', 'ThresholdedRelu', 'Hardmax', 'MeanVarianceNormalization', 'LRN'],
  ...[
    'InstanceNormalization',
    'GroupNormalization',
    'LpNormalization',
    'LpPool',
    'GlobalLpPool',
    'MaxRoiPool',
    'MaxUnpool',
  ],
  ...[
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
    'ReduceProd',
    'ReduceSumSquare',
    'DFT',
    'STFT',
    'Trilu',
  ],
  ...[
    'CenterCropPad',
    'Col2Im',
    'Compress',
    'DeformConv',
    'GridSample',
    'RoiAlign',
    'RotaryEmbedding',
    'TensorScatter',
  ],
  ...['Scatter', 'ScatterElements', 'ScatterND', 'StringConcat', 'StringNormalizer', 'LSTM', 'GRU', 'RNN'],
]

export const typeOps: readonly OpFacts[] = [
  ...['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero', 'NonMaxSuppression'].map(int64),
  ...[
    'Equal',
    'Greater',
    'GreaterOrEqual',
    'Less',
    'LessOrEqual',
    'Not',
    'And',
    'Or',
    'Xor',
    'IsNaN',
    'IsInf',
    'RegexFullMatch',
  ].map(bool),
  ...likeFirst.map((op) => defineOp({ op })),
  defineOp({ op: 'RMSNormalization', dtype: (_node, _index, inputs) => inputs(1) }),
  // Its statistics have a type of their own.
  defineOp({
    op: 'LayerNormalization',
    typeAttributes: ['stash_type'],
    dtype: (node, index, inputs) => (index === 0 ? inputs(0) : dtypeOf(intAttribute(node, 'stash_type', 1))),
  }),
  defineOp({
    op: 'BatchNormalization',
    dtype: (_node, index, inputs) => (index === 0 ? inputs(0) : inputs(3)),
  }),
  defineOp({ op: 'StringSplit', dtype: (_node, index) => (index === 0 ? 'string' : 'int64') }),
  defineOp({ op: 'TfIdfVectorizer', dtype: () => 'float32' }),
  ...['BlackmanWindow', 'HammingWindow', 'HannWindow', 'MelWeightMatrix'].map((op) =>
    defineOp({
      op,
      typeAttributes: ['output_datatype'],
      dtype: (node) => dtypeOf(intAttribute(node, 'output_datatype', 1)),
    }),
  ),
  defineOp({ op: 'Where', dtype: (_node, _index, inputs) => inputs(1) }),
  defineOp({ op: 'TopK', namesOutputs: true, dtype: (_node, index, inputs) => (index === 1 ? 'int64' : inputs(0)) }),
  defineOp({ op: 'Unique', namesOutputs: true, dtype: (_node, index, inputs) => (index === 0 ? inputs(0) : 'int64') }),
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
]
