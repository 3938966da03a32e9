// ONNX Runtime on the CPU: what its optimiser turns into integer kernels (measured on 1.30; checked by the fusion lint).
import type { Target } from './target.ts'

const named = (role: 'integer' | 'pass-through' | 'activation' | 'cap', ops: readonly string[]) =>
  ops.map((op) => ({ op, role }))

export const ortCpu: Target = {
  name: 'ort-cpu',
  ops: [
    { op: 'Conv', role: 'layer', output: 'required' },
    { op: 'Gemm', role: 'layer', output: 'optional', losesToActivation: true },
    { op: 'MatMul', role: 'layer', output: 'optional', losesToActivation: true },
    ...named('activation', ['Relu', 'Clip']),
    ...named('cap', ['Min']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    ...named('integer', ['Add', 'Mul', 'Concat', 'GlobalAveragePool', 'LeakyRelu', 'Sigmoid', 'Softmax']),
    ...named('pass-through', [
      'MaxPool',
      'Reshape',
      'Flatten',
      'Transpose',
      'Squeeze',
      'Unsqueeze',
      'Slice',
      'Gather',
      'Split',
      'DepthToSpace',
      'Tile',
    ]),
    { op: 'Resize', role: 'pass-through', when: { attribute: 'mode', is: 'nearest', usual: 'nearest' } },
  ],
  storesWeight: ['ConvTranspose'],
  floatReasons: {
    ConvTranspose: 'ONNX Runtime has no integer kernel for ConvTranspose',
    Resize: 'ONNX Runtime interpolates in float',
    Pad: 'ONNX Runtime pads in float',
  },
  integerKernels: ['QLinearConv', 'QGemm', 'QLinearMatMul', 'MatMulIntegerToFloat', 'ConvInteger', 'MatMulInteger'],
}
