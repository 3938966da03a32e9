// Operators whose definition did not change from opset 7 to 21 in a way that matters: only types were added, negative axes
// allowed, or attributes and inputs added whose absence means what it always meant.

export const unchanged: readonly string[] = [
  ...['Abs', 'Acos', 'Acosh', 'Add', 'And', 'ArgMax', 'ArgMin', 'Asin', 'Asinh', 'Atan', 'Atanh', 'AveragePool'],
  ...['BitShift', 'Cast', 'CastLike', 'Ceil', 'Celu', 'Compress', 'Concat', 'ConcatFromSequence', 'Constant'],
  ...['ConstantOfShape', 'Conv', 'ConvInteger', 'ConvTranspose', 'Cos', 'Cosh', 'CumSum', 'DepthToSpace'],
  ...['DequantizeLinear', 'Det', 'Div', 'DynamicQuantizeLinear', 'Einsum', 'Elu', 'Equal', 'Erf', 'Exp', 'Expand'],
  ...['EyeLike', 'Flatten', 'Floor', 'GRU', 'Gather', 'GatherElements', 'GatherND', 'Gelu', 'Gemm'],
  ...['GlobalAveragePool', 'GlobalLpPool', 'GlobalMaxPool', 'Greater', 'GreaterOrEqual', 'HardSigmoid', 'HardSwish'],
  ...['Identity', 'If', 'InstanceNormalization', 'IsInf', 'IsNaN', 'LRN', 'LSTM', 'LayerNormalization', 'LeakyRelu'],
  ...['Less', 'LessOrEqual', 'Log', 'Loop', 'LpNormalization', 'LpPool', 'MatMul', 'MatMulInteger', 'Max', 'MaxPool'],
  ...[
    'MaxRoiPool',
    'MaxUnpool',
    'Mean',
    'MeanVarianceNormalization',
    'Min',
    'Mish',
    'Mod',
    'Mul',
    'Multinomial',
    'Neg',
  ],
  ...['NonMaxSuppression', 'NonZero', 'Not', 'OneHot', 'Or', 'PRelu', 'Pow', 'QLinearConv', 'QLinearMatMul'],
  ...['QuantizeLinear', 'RNN', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Range'],
  ...['Reciprocal', 'Relu', 'Reshape', 'ReverseSequence', 'Round', 'ScatterElements', 'ScatterND', 'Selu'],
  ...['Optional', 'OptionalGetElement', 'OptionalHasElement', 'SequenceAt', 'SequenceConstruct', 'SequenceEmpty'],
  ...['SequenceErase', 'SequenceInsert', 'SequenceLength', 'SequenceMap', 'Shape', 'SplitToSequence'],
  ...['Shrink', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Size', 'Softplus', 'Softsign', 'SpaceToDepth', 'Sqrt'],
  ...['StringNormalizer', 'Sub', 'Sum', 'Tan', 'Tanh', 'TfIdfVectorizer', 'ThresholdedRelu', 'Tile', 'Transpose'],
  ...['Trilu', 'Unique', 'Where', 'Xor'],
]
