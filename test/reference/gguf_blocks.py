"""Reference values of ggml's blocks, from the gguf package.

Writes test/reference/gguf_blocks.json: for each type random blocks and the float32 values they stand for, and for the
types that are written also values and their bytes (little-endian, base64).

    python -m venv .venv && .venv/bin/pip install gguf
    .venv/bin/python test/reference/gguf_blocks.py
"""

import base64
import json
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize, quantize

HALVES = {  # where a block's halves are
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
WRITTEN = ["BF16", "Q8_0", "Q4_0"]

random = np.random.default_rng(1)
text = lambda array: base64.b64encode(array.tobytes()).decode()

decoded = {}
for name, halves in HALVES.items():
    elements, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = 512 // elements
    data = random.integers(0, 256, (blocks, size), dtype=np.uint8)
    for at in halves:
        data[:, at : at + 2] = random.normal(0, 0.1, (blocks, 1)).astype(np.float16).view(np.uint8)
    values = dequantize(data.reshape(1, -1), GGMLQuantizationType[name]).astype(np.float32)
    decoded[name] = {"bytes": text(data), "values": text(values)}

values = random.normal(0, 0.2, (1, 512)).astype(np.float32)
values[0, 32:64] = 0
values[0, 64:96] = np.linspace(-1.5, 1.5, 32)
encoded = {name: text(quantize(values, GGMLQuantizationType[name])) for name in WRITTEN}

out = {"decoded": decoded, "encoded": {"values": text(values), "bytes": encoded}}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
