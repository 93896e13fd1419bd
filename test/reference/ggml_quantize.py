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

# a block with a group of which so few columns count that least squares want a scale below zero, larger than the others
row = np.frombuffer(base64.b64decode(
    "CSEWPn6+Fb1SzeE8ULUfvMGeaTzZ+Hi8kMTxvQ9TDb3DhQ67B6FavRAKmj3n3Fy9xnATPS7NJb77ZX+84UqKvKUNabzjlFM7xgicvI8EPLoBOVW7nkAmPYlN"
    "Kb6lWA87w5Esvu4xxzw7MRG8958kvUyRNj7tjCK8Xd91PIPxfTxCwgU+cDO8vBg+LL2/yiA9Uls7PGEKPj4ETKY7zcrLPL6njj4BtRg91fwnvQrKyLiG1U27"
    "9g6fPe+qTDw09zg8GcVbvBE0/jy8yas8G4tgvNcJHL4vBZG+YuF2vfzDlL0Qm+Q8LXfBO1jQirxBPR09bZ9cPL3mTr1BDAI97wnBPNOT1Tt+oIO+oP2LvckE"
    "EL1/FUc5uSIKPCJgjjwJWQ67JJu9PMT+F7uy7Yc9AWFWPcUtHT4q/KE86gbBPcTJgjydm8Q555YSPcfhMLwjg028tuLVPWSeHz2kXnQ+/45AP5PQCj5cbDS7"
    "Ya+uPEr+hTtj82K8ZYgDPQVq2D2TNeo7WRr3O7pD4jsDKGg8yUYru1Hegrn2wtk9GjEBPHM3yTtS6RI8GbyVva7Ku70NDCA7fTlMPB9ok70qBAa9H3x4vXhM"
    "kj3ox7W92uG0POZ5arykCv47Wj4LPQcptLz8Owu9mEPsPPA5Gj4+G1s9+xuPvGMg+ry4mUe/ahODPNeALL1sgZa86ZdEvZ4ZK73sPzC+N7iKPVxLFj0mdo49"
    "8lkovKEXvjsVk9G6xBjEvC/LLrxE6ls9Nj28vMB8yTwRjFo9XWBMvPLaGL1zgcI8UGNTPNmHz7wqVO670lg8PeSzpb2FfGS+jL+QPC7+MjyYmxA8zPQZPAYM"
    "wjxzqD68fCmEPeFpAL37SqY87QPwvdCU3Ds50Cw+s6ikPfwsNTzHbGE+ptjjvIFzR758iZC9f2cxvGGV8Tti0Km8X3QTPY2NLrzHHD68N2nKvMl0VjwNUkQ9"
    "24a3vX8nGjwbcwO9vjPUvFSmfzxXqWE8F4g1O4Hmhb5mjc47Zzw/PHnrFL2jjIq8SMvou9H1YzwP96G7ofX7PEiZ/jwNac28/t1lPf7piLzSv8c7R4gmvIvC"
    "Rz2R1jq9zQZvPeVf9LpvqgI9vLWHuxVMxLokcCu8QhgFv8rZJj9HInm8OvcavTL+RDym8g+8QSxPvFlxiLxh/6S5u85DPbXERj2c+Ro8R+1ZPeWqGDy5RzA9"
    "uRkSvchKxT3/aqw7iDRLvHOmxLwHGza9bDTNuzXoKD7r87E8wndHPEJoYbwl1Ai9G3MZvJ6/hb27/II7exxpPT0W17zH/Qe8KySQvBDMU733EEg9AjrePFyl"
    "vLwNIMq8KH0FPUD9Lzz8x0O8DFhounQoST7dxTW7DDCfvg=="
), dtype=np.float32).reshape(1, 256)
columns = np.frombuffer(base64.b64decode(
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAH5aj8AAAAAAAAAAAAAAACtokw+AAAAALUBqjxMFSU/AAAAAAAAAAAAAAAAAAAAAM/zNj9wSOQ9sTVVPwAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAeo1xPgAAAADGiEY7SWuMPsPYDT89tFg/AAAAAAAAAAC4L8o+BT43PwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "rOoBPzJBMj8AAAAAc8lyPwAAAAAAAAAAAAAAACUyaT4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABKuYY+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAARmEOPgAAAAAAAAAAAAAAAJ2Otj4AAAAA+ImoPgAAAAA4adk9AAAAACv6/z7g8lU+fCWGPAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADtKH0/AAAAAAAAAADjU5g+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAB4tlP/wFFT4AAAAAAAAAALD1Sz4AAAAAAAAAAAAAAAAM2L89AAAAAAAAAAA4NxA+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPWCUT8AAAAA"
    "POoHPwAAAAAAAAAAAAAAAAAAAAAJODg/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPJN+PwAAAACHaZo+KDomPwAAAACz4GI/AAAAAAAA"
    "AAAAAAAAAAAAAAAAAABlbh0+wh89PwAAAADRIC0+AAAAAAAAAADp5xc/AAAAAGmOVT0AAAAAAAAAAAAAAAAAAAAAAAAAAPTPgj4AAAAAAAAAAAAAAAAAAAAA"
    "AAAAAOs1Ij8AAAAAAAAAAAAAAAAAAAAAU792PwAAAAAAAAAA9pkNPsOezD7yi/M+AAAAAJAxGj8AAAAAAAAAAAAAAABrAVc/AAAAAAAAAAAAAAAAAAAAAAAA"
    "AADUbZY+AAAAAAAAAAAAAAAAAAAAAAAAAABh1rk+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "H9/OPAAAAAD9Jxc+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALNU"
    "Gz8AAAAAAAAAAAAAAAAAAAAA/LBOPwAAAAAAAAAAAAAAAA=="
), dtype=np.float32)
found = {name: quantised(name, row, columns) for name in TYPES if name != "Q8_0"}
weighted.append({"values": text(row), "importance": text(columns), "bytes": found})

out = {"values": text(values), "bytes": encoded, "weighted": weighted}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
