// onnxruntime-web's WebAssembly backend: the CPU provider of ONNX Runtime, compiled to WebAssembly with SIMD.
// Known: it has the same graph optimisers and the same kernels, and gives the same codes. Measured (`bench/target-ops.ts ort-wasm`, 1.30,
// one thread, x86-64): which convolutions are slower in integers than in float. Not measured: several threads, ARM, phones,
// browsers other than what Node's engine stands for. Operators without weights differ too little between both forms to tell.
import { joining, moving, named, onnxRuntime } from './onnx-runtime.ts'
import type { Target } from './target.ts'

export const ortWasm: Target = {
  ...onnxRuntime,
  name: 'ort-wasm',
  runtime: 'onnxruntime-web',
  ops: [
    {
      op: 'Conv',
      role: 'layer',
      output: 'required',
      perChannel: true,
      // 3×3, float → integer: depthwise 14 → 34 ms, 3 channels 1 → 43, 8 channels 24 → 81; 16 channels 26 → 23, 32 channels 30 → 8.
      slow: [
        { depthwise: true, why: 'depthwise convolutions are faster in float in WebAssembly' },
        { inputs: 8, why: 'convolutions over few channels are faster in float in WebAssembly' },
      ],
    },
    { op: 'Gemm', role: 'layer', output: 'optional', losesToActivation: true, perChannel: true },
    { op: 'MatMul', role: 'layer', output: 'optional', losesToActivation: true, perChannel: true },
    ...named('activation', ['Relu', 'Clip']),
    ...named('cap', ['Min']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    ...joining,
    ...named('integer', ['GlobalAveragePool', 'LeakyRelu', 'Sigmoid', 'Softmax']),
    ...moving,
  ],
}
