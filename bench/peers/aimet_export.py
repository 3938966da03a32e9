"""The peer's own export: a float model, its encodings and, to compare with, its Q/DQ model. Usage: see inputs.py.

OUTPUT is the Q/DQ model; MODEL.encodings and MODEL.onnx lie beside it under the same name. Form: version-1 or version-2.
"""
import os

import onnx
from aimet_onnx import QuantizationSimModel
from aimet_onnx.batch_norm_fold import fold_all_batch_norms_to_weight
from aimet_onnx.common.defs import QuantScheme

from inputs import arguments, load_raised


def main():
    path, output, form, rows = arguments()
    model = load_raised(path)
    fold_all_batch_norms_to_weight(model)
    simulation = QuantizationSimModel(
        model, config_file="default", quant_scheme=QuantScheme.min_max, dummy_input=rows[0]
    )
    simulation.compute_encodings(rows)
    folder, name = os.path.split(output)
    version = "2.0.0" if "version-2" in form else "1.0.0"
    stem = name.removesuffix(".onnx")
    simulation.export(folder, f"{stem}.float", encoding_version=version)
    onnx.save(simulation.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True), output)


if __name__ == "__main__":
    main()
