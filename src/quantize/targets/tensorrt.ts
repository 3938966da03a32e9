// TensorRT with explicit quantisation: Q/DQ in int8 around 0 for values and weights, biases in float (TensorRT's developer guide, "Working
// with Quantized Types"). Nothing was run: there is no such processor where this was written.
import { named } from './onnx-runtime.ts'
import { freeLayers, handedOn, qdqReader } from './q-dq.ts'
import type { Target } from './target.ts'

export const tensorrt: Target = {
  ...qdqReader,
  name: 'tensorrt',
  measuredWith: 'trtexec --onnx=FILE --int8 --fp16 on its processor',
  ops: [
    ...freeLayers,
    ...named('activation', ['Relu', 'Clip']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    ...named('integer', ['Add', 'Concat']).map((op) => ({ ...op, reads: 'all' as const })),
    ...named('integer', ['GlobalAveragePool']),
    ...handedOn,
  ],
  floatReasons: { ConvTranspose: 'it stays in float', Resize: 'interpolation stays in float' },
  activations: { types: ['int8'], symmetric: true },
}
