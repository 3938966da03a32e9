import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tidy } from './messages-of-runtime.ts'

/** As ONNX Runtime says it → what is left of it. */
const messages: readonly (readonly [string, string])[] = [
  [
    "Non-zero status code returned while running Gather node. Name:'Gather_3' Status Message: indices element out of data bounds, idx=4 must be within the inclusive range [-4,3]",
    'node "Gather_3" (Gather): indices element out of data bounds, idx=4 must be within the inclusive range [-4,3]',
  ],
  [
    "Error: Non-zero status code returned while running Reshape node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:47 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{4}",
    'a Reshape node: The input tensor cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{4}',
  ],
  [
    'Exception during initialization: /onnxruntime_src/onnxruntime/core/framework/utils.cc:295 const OrtDevice& onnxruntime::utils::FindDeviceForValue(const onnxruntime::OrtValueNameIdxMap&, gsl::span<const OrtDevice>, std::string_view) ort_value_name_idx_map.GetIdx(name, idx).IsOK() was false. ',
    'an inner check of ONNX Runtime failed',
  ],
  [
    "Exception during initialization: /src/onnxruntime/core/optimizer/reshape_fusion.cc:88 onnxruntime::common::Status onnxruntime::ReshapeFusion::ApplyImpl(onnxruntime::Graph&, bool&, int, const logging::Logger&) const [with T = float] Could not find OrtValue with name 'a/b'",
    "Could not find OrtValue with name 'a/b'",
  ],
  [
    'This is an invalid model. In Node, ("pool", QLinearAveragePool, "com.microsoft", -1) : ("a_q": tensor(uint8),"scale": tensor(float),) -> ("y_q": tensor(uint8),) , Error Unrecognized attribute: dilations for operator QLinearAveragePool',
    'node "pool" (QLinearAveragePool): Unrecognized attribute: dilations for operator QLinearAveragePool',
  ],
  [
    "Node (rz) Op (Resize) [ShapeInferenceError] Number of elements of input 'sizes' (0) does not match the number of axes (2).",
    'node "rz" (Resize): Number of elements of input \'sizes\' (0) does not match the number of axes (2).',
  ],
  [
    "Non-zero status code returned while running ScatterND node. Name:'s' Status Message: /build/core/x.cc:1 onnxruntime::(anonymous namespace)::Check(int)::<lambda(long int)>::operator()(long int) const index out of range",
    'node "s" (ScatterND): index out of range',
  ],
  [
    'Load model from /tmp/x.onnx failed:Type Error: Type (tensor(bool)) of output arg (m) is wrong',
    'Type Error: Type (tensor(bool)) of output arg (m) is wrong',
  ],
  [
    "Can't create a session. ERROR_CODE: 6, ERROR_MESSAGE: Unrecognized attribute: dilations",
    'Unrecognized attribute: dilations',
  ],
  [
    'This is an invalid model. In Node, ("r", Relu, "", -1) : ("m": tensor(float),"m": tensor(float),) -> ("y",) , Error Node (r) with schema(::Relu:14) has input size 2 not in range [min=1, max=1].',
    'node "r" (Relu): it has input size 2 not in range [min=1, max=1].',
  ],
  ['Protobuf parsing failed.', 'Protobuf parsing failed.'],
]

describe("ONNX Runtime's messages", () => {
  for (const [message, rest] of messages)
    it(`keep the node and what is wrong: ${rest}`, () => {
      assert.equal(tidy(message), rest)
      assert.doesNotMatch(tidy(message), /onnxruntime::|\.cc:|Non-zero status/)
    })
})
