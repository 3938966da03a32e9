"""The peer: nncf.quantize with its default preset (fast bias correction on). Usage: see inputs.py.

Form: "folded" hands it the model after onnxruntime's preparation; without that BatchNorm stays between a layer and its
activation, as NNCF leaves it.
"""
import nncf
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters

from inputs import arguments, load_prepared, load_raised


def main():
    model, output, form, rows = arguments()
    more = {}
    if "per-tensor" in form:
        weights = QuantizationParameters(per_channel=False)
        more["advanced_parameters"] = AdvancedQuantizationParameters(weights_quantization_params=weights)
    loaded = load_prepared(model) if "folded" in form else load_raised(model)
    onnx.save(nncf.quantize(loaded, nncf.Dataset(rows), subset_size=len(rows), **more), output)


if __name__ == "__main__":
    main()
