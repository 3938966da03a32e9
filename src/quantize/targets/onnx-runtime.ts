// What every build of ONNX Runtime for processors does alike: one set of graph optimisers (measured on 1.30; checked by the fusion lint).
import type { Target, TargetOp } from './target.ts'

/** Operators with one role and nothing else to say of them. */
export const named = (role: TargetOp['role'], ops: readonly string[]): TargetOp[] => ops.map((op) => ({ op, role }))

/** Operators that bring several values onto the grid of their result. */
export const joining: readonly TargetOp[] = named('integer', ['Add', 'Mul', 'Concat']).map((op) => ({
  ...op,
  reads: 'all',
}))

/** Operators that only move codes. */
export const moving: readonly TargetOp[] = [
  ...named('pass-through', [
    'MaxPool',
    'Reshape',
    'Flatten',
    'Transpose',
    'Squeeze',
    'Unsqueeze',
    'Slice',
    'Gather',
    'DepthToSpace',
    'Tile',
  ]),
  { op: 'Split', role: 'pass-through', gives: 'all' },
  { op: 'Resize', role: 'pass-through', when: { attribute: 'mode', is: 'nearest', usual: 'nearest' } },
]

/** The rest of a target on ONNX Runtime. */
export const onnxRuntime: Omit<Target, 'name' | 'runtime' | 'measuredWith' | 'ops'> = {
  storesWeight: ['ConvTranspose'],
  floatReasons: {
    ConvTranspose: 'ONNX Runtime has no integer kernel for ConvTranspose',
    Resize: 'ONNX Runtime interpolates in float',
    Pad: 'ONNX Runtime pads in float',
  },
  biases: 'int32',
  activations: { types: ['uint8', 'int8', 'uint16', 'int16'], symmetric: false },
  opsets: { grid: 10, perChannel: 13, wide: 21 },
  fusion: { blockedBy: ['ranked-scalar', 'second-consumer', 'wider-grid'], takesFloatLayers: true },
  kernels: {
    QLinearConv: [3],
    QGemm: [3],
    QLinearMatMul: [3],
    MatMulIntegerToFloat: [1],
    DynamicQuantizeMatMul: [1],
    ConvInteger: [1],
    MatMulInteger: [1],
  },
}
