"""What every peer gets: the model, a form of quantisation, and the same samples, an .npy file a model input.

usage of a peer: python PEER.py MODEL OUTPUT FORM INPUT=FILE.npy [INPUT=FILE.npy ...]
FORM is words joined by "+": per-channel or per-tensor, and what the peer's own docstring names.
What the peer has to say about its file it prints as one line "note: …"; "note: left out: …" with exit code 0 and no file means
that there is nothing to measure.
"""
import os
import sys
import tempfile

import numpy as np
import onnx


def arguments():
    """Model path, output path, the set of words of the form, and the samples one by one as feeds of batch 1."""
    model, output, form, *inputs = sys.argv[1:]
    arrays = {name: np.load(path) for name, path in (item.split("=", 1) for item in inputs)}
    count = min(len(array) for array in arrays.values())
    rows = [{name: array[i : i + 1] for name, array in arrays.items()} for i in range(count)]
    return model, output, set(form.split("+")), rows


def reader(rows):
    """The samples as onnxruntime's quantisers read them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(rows)

        def get_next(self):
            return next(self.rows, None)

    return Reader()


def load_raised(path):
    """The model, at opset 13 at least: below it no tool can write one scale a channel."""
    model = onnx.load(path)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return onnx.version_converter.convert_version(model, 13) if opset < 13 else model


def load_prepared(path):
    """The same after onnxruntime's own preparation, which folds BatchNorm into the layers."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        raised, prepared = os.path.join(folder, "raised.onnx"), os.path.join(folder, "prepared.onnx")
        onnx.save(load_raised(path), raised)
        quant_pre_process(raised, prepared)
        return onnx.load(prepared)
