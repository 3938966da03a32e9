// Qualcomm's NPU through ONNX Runtime's QNN provider: everything in integers, values of 16 bits, weights of 8 around 0, one scale for each
// channel but in MatMul and ConvTranspose. Rules are those of onnxruntime's get_qnn_qdq_config (1.32), and `bench/qnn.ts` compares files with its own.
import { moving, named } from './onnx-runtime.ts'
import type { Target, TargetOp } from './target.ts'

/** Of several inputs, the constant ones included. */
const all = (ops: readonly string[]): TargetOp[] => named('integer', ops).map((op) => ({ ...op, reads: 'all' }))

export const qnn: Target = {
  name: 'qnn',
  measuredWith: "onnxruntime's QNN provider on the device",
  ops: [
    ...named('layer', ['Conv', 'Gemm']).map((op) => ({ ...op, output: 'required' as const, perChannel: true })),
    { op: 'ConvTranspose', role: 'layer', output: 'required' },
    { op: 'MatMul', role: 'layer', output: 'required', ofValues: true },
    ...named('activation', ['Relu', 'Clip']),
    ...all(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'PRelu', 'Concat']),
    ...named('integer', [
      'AveragePool',
      'GlobalAveragePool',
      'GlobalMaxPool',
      'ReduceMean',
      'ReduceSum',
      'ReduceMax',
      'ReduceMin',
      'Abs',
      'Neg',
      'Sqrt',
      'Exp',
      'Erf',
      'Elu',
      'Gelu',
      'HardSigmoid',
      'HardSwish',
      'LeakyRelu',
      'Softmax',
      'LogSoftmax',
      'Pad',
    ]),
    {
      op: 'Sigmoid',
      role: 'integer',
      resultGrids: { uint16: { scale: 2 ** -16, zeroPoint: 0 }, int16: { scale: 2 ** -15, zeroPoint: 0 } },
    },
    {
      op: 'Tanh',
      role: 'integer',
      resultGrids: { uint16: { scale: 2 ** -15, zeroPoint: 2 ** 15 }, int16: { scale: 2 ** -15, zeroPoint: 0 } },
    },
    ...moving,
    ...named('pass-through', ['Expand', 'SpaceToDepth']),
    { op: 'Resize', role: 'integer' },
  ],
  storesWeight: [],
  floatReasons: {},
  takesAll: true,
  oneType: true,
  biases: 'int32',
  activations: { types: ['uint16', 'uint8', 'int16', 'int8'], symmetric: false },
  opsets: { grid: 10, perChannel: 13, wide: 21 },
  fusion: { blockedBy: ['ranked-scalar', 'second-consumer'], takesFloatLayers: false },
  kernels: {},
}
