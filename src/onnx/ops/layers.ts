// Operators with weights, and the other multiply-accumulate operators.
import { defineOp, type OpFacts } from './facts.ts'

export const layerOps: readonly OpFacts[] = [
  ...[
    { op: 'Conv', layer: { weight: 1, bias: 2, channels: 'second', window: 'gathers' } } as const,
    { op: 'ConvTranspose', layer: { weight: 1, bias: 2, channels: 'second', window: 'spreads' } } as const,
    { op: 'Gemm', layer: { weight: 1, bias: 2, channels: 'second', scaled: true } } as const,
    { op: 'MatMul', layer: { weight: 1, channels: 'last', eitherSide: true } } as const,
  ].map((facts) => defineOp({ ...facts, homogeneous: true, keepsFinite: 'multiplies' })),
  defineOp({ op: 'QLinearConv', dtype: (_node, _index, inputs) => inputs(7) }),
  defineOp({ op: 'QLinearMatMul', dtype: (_node, _index, inputs) => inputs(7) }),
  defineOp({ op: 'ConvInteger', dtype: () => 'int32' }),
  defineOp({ op: 'MatMulInteger', dtype: () => 'int32' }),
  defineOp({
    op: 'QuantizeLinear',
    typeAttributes: ['output_dtype'],
    dtype: (_node, _index, inputs) => inputs(2) ?? 'uint8',
  }),
  defineOp({ op: 'DequantizeLinear', typeAttributes: ['output_dtype'], dtype: (_node, _index, inputs) => inputs(1) }),
  defineOp({
    op: 'DynamicQuantizeLinear',
    namesOutputs: true,
    dtype: (_node, index) => (index === 1 ? 'float32' : 'uint8'),
  }),
]
