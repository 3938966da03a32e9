// What runtimes have in common that read Q/DQ models by themselves, with kernels that give floats as well as codes.
import { moving } from './onnx-runtime.ts'
import type { Target, TargetOp } from './target.ts'

/** A layer needs no grid behind it: what follows in float is fused, or reads floats. */
export const freeLayers: readonly TargetOp[] = ['Conv', 'Gemm', 'MatMul'].map((op) => ({
  op,
  role: 'layer',
  output: 'optional',
  perChannel: true,
}))

/** Operators that only move codes, as in every runtime. */
export const handedOn: readonly TargetOp[] = moving.filter(({ op }) => op !== 'Tile')

/** The rest of such a target. */
export const qdqReader: Omit<Target, 'name' | 'measuredWith' | 'ops'> = {
  storesWeight: [],
  floatReasons: {},
  biases: 'float',
  activations: { types: ['uint8', 'int8'], symmetric: false },
  opsets: { grid: 10, perChannel: 13, wide: 21 },
  fusion: { blockedBy: [], takesFloatLayers: false },
  kernels: {},
}
