"""The peer reads our encodings: as a simulation, which writes them again, and as a Q/DQ model.

Usage: aimet_encodings.py MODEL ENCODINGS.json OUT.onnx OUT.encodings.json
"""
import json
import sys

import onnx
from aimet_onnx import QuantizationSimModel
from aimet_onnx.quantsim import encodings_to_onnx_qdq, load_encodings_to_sim


def main():
    path, encodings, qdq, again = sys.argv[1:5]
    with open(encodings) as file:
        version = json.load(file)["version"]
    onnx.save(encodings_to_onnx_qdq(path, encodings, prequantize_constants=True, force_activation_as=None), qdq)
    simulation = QuantizationSimModel(onnx.load(path), config_file="default")
    mismatches = load_encodings_to_sim(simulation, encodings, strict=False)
    print(f"note: {len(mismatches)} quantizers were set otherwise before")
    simulation._export_encodings(again, version, force_activation_as=None)


if __name__ == "__main__":
    main()
