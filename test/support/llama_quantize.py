"""Quantise a GGUF file as llama.cpp's own quantiser does, by the library that comes with node-llama-cpp.

    python3 test/support/llama_quantize.py IN.gguf OUT.gguf FILE_TYPE [EMBEDDING_AND_HEAD_TYPE]

FILE_TYPE is a llama_ftype, such as 15 for Q4_K_M; the other a ggml_type for the token embedding and the head.
"""

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


source, target, ftype, *embedding = sys.argv[1:]
folder = pathlib.Path("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64")
for name in ("libggml-base.so", "libggml.v0.5.0.so"):
    ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
llama = ctypes.CDLL(str(folder / "libllama.v0.5.0.so"))
llama.llama_model_quantize_default_params.restype = Params
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
llama.llama_model_quantize.restype = ctypes.c_uint32
llama.llama_backend_init()
params = llama.llama_model_quantize_default_params()
assert params.nthread == 0 and params.quantize_output_tensor and not params.pure, "the layout of the parameters is another one"
params.ftype = int(ftype)
params.nthread = 2
if embedding:
    params.token_embedding_type = params.output_tensor_type = int(embedding[0])
sys.exit(llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))
