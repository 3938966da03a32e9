// ONNX Runtime on the CPU, as onnxruntime-node and its other packages run it.
import { joining, moving, named, onnxRuntime } from './onnx-runtime.ts'
import type { Target } from './target.ts'

export const ortCpu: Target = {
  ...onnxRuntime,
  name: 'ort-cpu',
  runtime: 'onnxruntime-node',
  ops: [
    { op: 'Conv', role: 'layer', output: 'required', perChannel: true },
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
