"""The peer: aimet_onnx, min-max, BatchNorm folded by its own function, written as Q/DQ. Usage: see inputs.py.

Form: "equalized" runs its cross-layer equalisation (which turns ReLU6 into ReLU) first; where that changes no weight
there is nothing to measure. "tf-enhanced" takes its ranges of least error instead of min-max.
"""
import copy

import numpy as np
import onnx
from aimet_onnx import QuantizationSimModel
from aimet_onnx.batch_norm_fold import fold_all_batch_norms_to_weight
from aimet_onnx.common.defs import QuantScheme
from aimet_onnx.cross_layer_equalization import equalize_model

from inputs import arguments, load_raised

# The peer's own configurations; "default" quantises the weights of layers per channel.
CONFIGURATIONS = {"per-channel": "default", "per-tensor": "default_config.json"}


def weights(model):
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {name: array for name, array in arrays.items() if array.ndim >= 2}


def equalized(model, folded):
    """The equalised model and how many weights differ from those of the folded one."""
    changed = copy.deepcopy(model)
    equalize_model(changed)
    before, after = weights(folded), weights(changed)
    return changed, sum(not np.array_equal(array, before.get(name)) for name, array in after.items())


def main():
    path, output, form, rows = arguments()
    model = load_raised(path)
    folded = copy.deepcopy(model)
    fold_all_batch_norms_to_weight(folded)
    if "equalized" in form:
        folded, count = equalized(model, folded)
        if count == 0:
            print("note: left out: its equalisation finds nothing to equalise")
            return
        print(f"note: its equalisation changed {count} weights")
    configuration = next(file for word, file in CONFIGURATIONS.items() if word in form)
    scheme = QuantScheme.post_training_tf_enhanced if "tf-enhanced" in form else QuantScheme.min_max
    simulation = QuantizationSimModel(folded, config_file=configuration, quant_scheme=scheme, dummy_input=rows[0])
    simulation.compute_encodings(rows)
    onnx.save(simulation.to_onnx_qdq(export_int32_bias=True, prequantize_constants=True), output)


if __name__ == "__main__":
    main()
