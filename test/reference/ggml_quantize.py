"""What llama.cpp's own library makes of values, in each type that is written.

Writes test/reference/ggml_quantize.json: values and, by type, the bytes that ggml_quantize_chunk of node-llama-cpp's
libggml-base gives for them (base64, little-endian): without an importance matrix, and, as rows of several widths, with
importances of columns. Its x86-64 build has no fused multiply-add; another build may round a sum otherwise.

    python3 -m venv .venv && .venv/bin/pip install numpy
    .venv/bin/python test/reference/ggml_quantize.py
"""

import base64
import ctypes
import json
import pathlib

import numpy as np

TYPES = {"Q8_0": 8, "Q6_K": 14, "Q5_K": 13, "Q5_1": 7, "Q5_0": 6, "Q4_K": 12, "Q4_1": 3, "Q4_0": 2}
BYTES = {"Q8_0": (32, 34), "Q6_K": (256, 210), "Q5_K": (256, 176), "Q5_1": (32, 24), "Q5_0": (32, 22), "Q4_K": (256, 144), "Q4_1": (32, 20), "Q4_0": (32, 18)}

base = ctypes.CDLL("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so")
base.ggml_quantize_chunk.restype = ctypes.c_size_t
base.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]

random = np.random.default_rng(3)
rows = [random.normal(0, 0.05, 256) for _ in range(6)]
rows += [random.standard_t(3, 256) * 0.02, random.uniform(0, 1, 256), random.uniform(-2, -1, 256), np.linspace(-1.5, 1.5, 256)]
rows += [np.zeros(256), np.full(256, 0.25), np.where(np.arange(256) < 128, 0, random.normal(0, 1, 256))]
rows += [random.normal(0, 1e-17, 256), random.normal(0, 0.1, 256) * (random.uniform(0, 1, 256) < 0.05), random.normal(0, 50, 256)]
values = np.array(rows, dtype=np.float32)


def quantised(name: str, rows: np.ndarray, importance: np.ndarray | None) -> str:
    block, size = BYTES[name]
    data = np.zeros(rows.size // block * size, dtype=np.uint8)
    columns = None if importance is None else importance.ctypes.data
    written = base.ggml_quantize_chunk(TYPES[name], rows.ctypes.data, data.ctypes.data, 0, len(rows), rows.shape[1], columns)
    assert written == data.size, (name, written)
    return base64.b64encode(data.tobytes()).decode()


def text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


encoded = {name: quantised(name, values, None) for name in TYPES}

# activations are of a few columns that are large, of many that are small, and of some that are never there
even = np.ones(256)
skewed = np.exp(random.normal(0, 2, 512))
sparse = np.exp(random.normal(-4, 3, 1024)) * (random.uniform(0, 1, 1024) < 0.7)
extreme = np.where(np.arange(256) % 37 == 0, 1e7, 1e-9)
dead = np.where(np.arange(512) < 256, 0, 1)
weighted = []
for importance in (even, skewed, sparse, extreme, dead):
    columns = importance.astype(np.float32)
    rows = values.reshape(-1, len(columns))
    found = {name: quantised(name, rows, columns) for name in TYPES if name != "Q8_0"}
    weighted.append({"importance": text(columns), "bytes": found})

out = {"values": text(values), "bytes": encoded, "weighted": weighted}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
