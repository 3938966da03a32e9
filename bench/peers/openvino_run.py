"""Runs a model in OpenVINO's CPU plug-in and says which layers compute in integers there.

usage: python openvino_run.py MODEL OUTPUT.npy INPUT=FILE.npy [INPUT=FILE.npy ...]
The samples are run one by one; the first output of all of them is written. Prints "layers: INTEGER of ALL".
"""
import sys

import numpy as np
import openvino as ov

LAYERS = {"Convolution", "Deconvolution", "FullyConnected", "MatMul", "GroupConvolution"}


def main():
    model, output, *inputs = sys.argv[1:]
    arrays = {name: np.load(path) for name, path in (item.split("=", 1) for item in inputs)}
    core = ov.Core()
    read = core.read_model(model)
    count = len(next(iter(arrays.values())))
    read.reshape({name: [1, *array.shape[1:]] for name, array in arrays.items()})
    # Without bfloat16, which some processors have: what is compared is the integers.
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    layers = [
        node.get_rt_info()["runtimePrecision"].astype(str)
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].astype(str) in LAYERS
    ]
    rows = [compiled({name: array[i : i + 1] for name, array in arrays.items()})[0] for i in range(count)]
    np.save(output, np.concatenate(rows).astype(np.float32))
    print(f"layers: {sum('8' in precision for precision in layers)} of {len(layers)}")


if __name__ == "__main__":
    main()
