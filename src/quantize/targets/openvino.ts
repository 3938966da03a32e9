// OpenVINO's CPU plug-in, which reads Q/DQ and moves DequantizeLinear through the graph (its low-precision transformations).
// Rules are those of NNCF's hardware configuration for the CPU: inputs of layers and both inputs of element-wise operators are quantised,
// values in 8 bits with a zero point, weights symmetric for each channel, biases not at all. Measured: what `bench/openvino.ts` shows.
import { joining, named } from './onnx-runtime.ts'
import { freeLayers, handedOn, qdqReader } from './q-dq.ts'
import type { Target } from './target.ts'

export const openvino: Target = {
  ...qdqReader,
  name: 'openvino',
  measuredWith: "OpenVINO's benchmark_app -m FILE",
  ops: [
    ...freeLayers,
    ...named('activation', ['Relu', 'Clip']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    ...joining,
    ...named('integer', ['GlobalAveragePool']),
    ...handedOn,
  ],
  storesWeight: ['ConvTranspose'],
  floatReasons: {
    ConvTranspose: 'it stays in float, with its weight in codes',
    Resize: 'interpolation stays in float',
    Pad: 'padding stays in float',
  },
}
