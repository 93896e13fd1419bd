"""Quantise a GGUF file as llama.cpp's own quantiser does, by the library that comes with node-llama-cpp.

    python3 test/support/llama_quantize.py IN.gguf EMBEDDING_AND_HEAD_TYPE IMATRIX.gguf OUT.gguf FILE_TYPE [OUT.gguf FILE_TYPE ...]

FILE_TYPE is a llama_ftype, such as 15 for Q4_K_M; the other a ggml_type for the token embedding and the head, - for llama.cpp's
choice. The importance matrix, - for none, is opened by llama.cpp's own reader of GGUF.
"""

import array
import ctypes
import pathlib
import sys


class Params(ctypes.Structure):
    _fields_ = [
        ("nthread", ctypes.c_int32), ("ftype", ctypes.c_int), ("output_tensor_type", ctypes.c_int),
        ("token_embedding_type", ctypes.c_int),
        *[(name, ctypes.c_bool) for name in ("allow_requantize", "quantize_output_tensor", "only_copy", "pure", "keep_split", "dry_run")],
        *[(name, ctypes.c_void_p) for name in ("imatrix", "kv_overrides", "tt_overrides", "prune_layers")],
        ("room", ctypes.c_char * 64),
    ]


class Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_float)), ("size", ctypes.c_size_t)]


def importances(base: ctypes.CDLL, path: str):
    """The mean squares of each entry, as llama-quantize takes them of llama-imatrix's file; ended by an empty one."""

    class Init(ctypes.Structure):
        _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p)]

    base.gguf_init_from_file.restype = ctypes.c_void_p
    base.gguf_init_from_file.argtypes = [ctypes.c_char_p, Init]
    base.gguf_get_n_tensors.restype = ctypes.c_int64
    base.gguf_get_n_tensors.argtypes = [ctypes.c_void_p]
    for name, result in (("name", ctypes.c_char_p), ("offset", ctypes.c_size_t), ("size", ctypes.c_size_t)):
        function = getattr(base, f"gguf_get_tensor_{name}")
        function.restype = result
        function.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    base.gguf_get_data_offset.restype = ctypes.c_size_t
    base.gguf_get_data_offset.argtypes = [ctypes.c_void_p]
    base.gguf_find_key.restype = ctypes.c_int64
    base.gguf_find_key.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    base.gguf_get_val_str.restype = ctypes.c_char_p
    base.gguf_get_val_str.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    file = base.gguf_init_from_file(path.encode(), Init(True, None))
    assert file and base.gguf_get_val_str(file, base.gguf_find_key(file, b"general.type")) == b"imatrix", path
    content, start, found = pathlib.Path(path).read_bytes(), base.gguf_get_data_offset(file), {}
    for i in range(base.gguf_get_n_tensors(file)):
        begin = start + base.gguf_get_tensor_offset(file, i)
        found[base.gguf_get_tensor_name(file, i).decode()] = array.array("f", content[begin : begin + base.gguf_get_tensor_size(file, i)])
    names = [name.removesuffix(".in_sum2") for name in found if name.endswith(".in_sum2")]
    entries = (Entry * (len(names) + 1))()
    for entry, name in zip(entries, names):
        sums, (count,) = found[f"{name}.in_sum2"], found[f"{name}.counts"]
        entry.name, entry.size = name.encode(), len(sums)
        entry.data = (ctypes.c_float * len(sums))(*[value / count for value in sums])
    return entries


source, embedding, matrix, *files = sys.argv[1:]
folder = pathlib.Path("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64")
base, _ = [ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL) for name in ("libggml-base.so", "libggml.v0.5.0.so")]
llama = ctypes.CDLL(str(folder / "libllama.v0.5.0.so"))
llama.llama_model_quantize_default_params.restype = Params
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
llama.llama_model_quantize.restype = ctypes.c_uint32
llama.llama_backend_init()
params = llama.llama_model_quantize_default_params()
assert params.nthread == 0 and params.quantize_output_tensor and not params.pure, "the layout of the parameters is another one"
params.nthread = 2
if embedding != "-":
    params.token_embedding_type = params.output_tensor_type = int(embedding)
if matrix != "-":
    entries = importances(base, matrix)
    params.imatrix = ctypes.cast(entries, ctypes.c_void_p)
for target, ftype in zip(files[::2], files[1::2]):
    params.ftype = int(ftype)
    if failed := llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)):
        sys.exit(failed)
