"""The peer: onnxruntime's own static quantiser, min-max, on the model that its own preparation made. Usage: see inputs.py."""
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from inputs import arguments, load_prepared, reader


def main():
    model, output, form, rows = arguments()
    quantize_static(
        load_prepared(model),
        output,
        reader(rows),
        quant_format=QuantFormat.QDQ,
        per_channel="per-channel" in form,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )


if __name__ == "__main__":
    main()
