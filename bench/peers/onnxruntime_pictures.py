"""The peer as a whole process: decode pictures, prepare the model, quantise it per channel with min-max ranges.

usage: python onnxruntime_pictures.py MODEL OUTPUT FOLDER SHORT_SIDE CROP SAMPLES
"""
import os
import sys

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

model, output, folder, short_side, crop, samples = sys.argv[1:]
short_side, crop, samples = int(short_side), int(crop), int(samples)
files = sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))
chosen = [files[int((i + 0.5) * len(files) / samples)] for i in range(min(samples, len(files)))]


def load(name):
    image = Image.open(os.path.join(folder, name)).convert("RGB")
    width, height = image.size
    if min(width, height) != short_side:
        size = (short_side, height * short_side // width) if width < height else (width * short_side // height, short_side)
        image = image.resize(size, Image.BICUBIC)
    width, height = image.size
    left, top = (width - crop) // 2, (height - crop) // 2
    pixels = np.asarray(image.crop((left, top, left + crop, top + crop)), np.float32).transpose(2, 0, 1)
    return ((pixels / np.float32(255) - 0.5) / 0.5)[None].astype(np.float32)


class Reader(CalibrationDataReader):
    def __init__(self):
        self.names = iter(chosen)

    def get_next(self):
        name = next(self.names, None)
        return None if name is None else {"input": load(name)}


prepared = output + ".prepared.onnx"
quant_pre_process(model, prepared)
quantize_static(
    prepared,
    output,
    Reader(),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
    calibrate_method=CalibrationMethod.MinMax,
)
