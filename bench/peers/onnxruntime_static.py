"""The peer: onnxruntime's own static quantiser, per channel, min-max, on samples from an .npy file a model input.

usage: python onnxruntime_static.py MODEL OUTPUT INPUT=FILE.npy [INPUT=FILE.npy ...]
"""
import os
import sys
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Reader(CalibrationDataReader):
    def __init__(self, arrays):
        count = min(len(array) for array in arrays.values())
        self.rows = iter({name: array[i : i + 1] for name, array in arrays.items()} for i in range(count))

    def get_next(self):
        return next(self.rows, None)


def main():
    model, output, *inputs = sys.argv[1:]
    arrays = {name: np.load(path) for name, path in (item.split("=", 1) for item in inputs)}
    with tempfile.TemporaryDirectory() as folder:
        prepared = os.path.join(folder, "prepared.onnx")
        loaded = onnx.load(model)
        opset = next(entry.version for entry in loaded.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < 13:
            loaded = onnx.version_converter.convert_version(loaded, 13)
        raised = os.path.join(folder, "raised.onnx")
        onnx.save(loaded, raised)
        quant_pre_process(raised, prepared)
        quantize_static(
            prepared,
            output,
            Reader(arrays),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


if __name__ == "__main__":
    main()
