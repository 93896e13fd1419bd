"""What llama.cpp's own library makes of values, in each type that is written.

Writes test/reference/ggml_quantize.json: values and, by type, the bytes that ggml_quantize_chunk of node-llama-cpp's
libggml-base gives for them without an importance matrix (base64, little-endian). Its x86-64 build has no fused
multiply-add; another build may round a sum otherwise.

    python3 -m venv .venv && .venv/bin/pip install numpy
    .venv/bin/python test/reference/ggml_quantize.py
"""

import base64
import ctypes
import json
import pathlib

import numpy as np

TYPES = {"Q8_0": 8, "Q6_K": 14, "Q5_K": 13, "Q5_1": 7, "Q5_0": 6, "Q4_K": 12, "Q4_0": 2}
BYTES = {"Q8_0": (32, 34), "Q6_K": (256, 210), "Q5_K": (256, 176), "Q5_1": (32, 24), "Q5_0": (32, 22), "Q4_K": (256, 144), "Q4_0": (32, 18)}

base = ctypes.CDLL("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so")
base.ggml_quantize_chunk.restype = ctypes.c_size_t
base.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

random = np.random.default_rng(3)
rows = [random.normal(0, 0.05, 256) for _ in range(6)]
rows += [random.standard_t(3, 256) * 0.02, random.uniform(0, 1, 256), random.uniform(-2, -1, 256), np.linspace(-1.5, 1.5, 256)]
rows += [np.zeros(256), np.full(256, 0.25), np.where(np.arange(256) < 128, 0, random.normal(0, 1, 256))]
rows += [random.normal(0, 1e-17, 256), random.normal(0, 0.1, 256) * (random.uniform(0, 1, 256) < 0.05), random.normal(0, 50, 256)]
values = np.array(rows, dtype=np.float32)

encoded = {}
for name, number in TYPES.items():
    block, size = BYTES[name]
    data = np.zeros(values.size // block * size, dtype=np.uint8)
    written = base.ggml_quantize_chunk(number, values.ctypes.data, data.ctypes.data, 0, len(values), 256, None)
    assert written == data.size, (name, written)
    encoded[name] = base64.b64encode(data.tobytes()).decode()

out = {"values": base64.b64encode(values.tobytes()).decode(), "bytes": encoded}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
