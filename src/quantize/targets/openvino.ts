// OpenVINO's CPU plug-in, which reads Q/DQ and moves DequantizeLinear through the graph (its low-precision transformations).
// Rules are those of NNCF's hardware configuration for the CPU: inputs of layers and of element-wise operators are quantised, but for what a
// layer hands to an element-wise operator alone, which its kernel takes in;
// values in 8 bits with a zero point, weights symmetric for each channel, biases not at all. Weights use 7 of their 8 bits, which NNCF calls
// the overflow fix: on x64 without VNNI it adds two products in 16 bits, and with all 8 its answers are others there (measured,
// `bench/openvino.ts`, AVX2: mcunet agrees with the simulation on 55 % of the pictures with 8 bits). Q multiplies by 1 ÷ scale: pixels from
// −1 to 1 lie half-way between codes, and a quarter of them go to the other one.
import { named } from './onnx-runtime.ts'
import { freeLayers, handedOn, qdqReader } from './q-dq.ts'
import type { Target } from './target.ts'

export const openvino: Target = {
  ...qdqReader,
  name: 'openvino',
  weightBits: 7,
  tiesDiffer: true,
  measuredWith: "OpenVINO's benchmark_app -m FILE",
  ops: [
    ...freeLayers,
    ...named('activation', ['Relu', 'Clip']),
    { op: 'AveragePool', role: 'integer', lacks: ['dilations'] },
    { op: 'Concat', role: 'integer', reads: 'all' },
    ...named('integer', ['Add', 'Mul']).map((op) => ({ ...op, reads: 'unfused' as const })),
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
