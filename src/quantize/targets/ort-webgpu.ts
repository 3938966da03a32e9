// onnxruntime-web's WebGPU backend: it has DequantizeLinear and products with blocks of codes (MatMulNBits), and no integer kernel for
// anything else (its list of operators, 1.30); what stands between Q and DQ goes back to the processor. So it is placement alone: every
// layer computes in float on codes that are turned back on the way.
import type { Target } from './target.ts'

const FLOAT = 'WebGPU has no integer kernel for it: its weight is stored in codes, and it computes in float'

export const ortWebgpu: Target = {
  name: 'ort-webgpu',
  measuredWith: 'onnxruntime-web in a browser that has WebGPU',
  ops: [],
  storesWeight: ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'],
  floatReasons: { Conv: FLOAT, ConvTranspose: FLOAT, Gemm: FLOAT, MatMul: FLOAT },
  biases: 'float',
  activations: { types: ['uint8', 'int8'], symmetric: false },
  opsets: { grid: 10, perChannel: 13, wide: 21 },
  fusion: { blockedBy: [], takesFloatLayers: false },
  kernels: {},
}
