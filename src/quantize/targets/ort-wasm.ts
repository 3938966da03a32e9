// onnxruntime-web's WebAssembly backend.
import { moving, named, onnxRuntime } from './onnx-runtime.ts'
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
      slow: [{ depthwise: true, why: 'depthwise convolutions are faster in float in WebAssembly' }],
    },
    { op: 'Gemm', role: 'layer', output: 'optional', losesToActivation: true, perChannel: true },
    { op: 'MatMul', role: 'layer', output: 'optional', losesToActivation: true, perChannel: true },
    ...named('activation', ['Relu', 'Clip']),
    ...named('cap', ['Min']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    ...named('integer', ['Add', 'Mul', 'Concat', 'GlobalAveragePool', 'LeakyRelu', 'Sigmoid', 'Softmax']),
    ...moving,
  ],
}
