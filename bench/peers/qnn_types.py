"""The peer: onnxruntime's quantiser with the configuration that it makes for its QNN provider. Usage: see inputs.py.

Values of 16 bits, weights of 8 around 0, one scale for each channel of a convolution. BatchNorm is folded by its own preparation.
"""
import onnx
from onnxruntime.quantization import QuantType, quantize
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

from inputs import arguments, load_prepared, reader


def main():
    path, output, _, rows = arguments()
    prepared = output + ".prepared.onnx"
    onnx.save(load_prepared(path), prepared)
    config = get_qnn_qdq_config(
        prepared,
        reader(rows),
        activation_type=QuantType.QUInt16,
        weight_type=QuantType.QInt8,
        weight_symmetric=True,
        per_channel=True,
    )
    quantize(prepared, output, config)


if __name__ == "__main__":
    main()
