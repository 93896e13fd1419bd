"""The peer of test/bench/gpu.ts: PyTorch's eager training step of the same models on the first CUDA card, and a plain MatMul.

Reads shapes, steps and the size of the MatMul as JSON from its first argument; prints one JSON object. Precisions: fp32
without TF32, fp32 with TF32, and bf16 autocast, and where it is asked for torch.compile's bf16, all with SDPA; AdamW is
PyTorch's default, fused where that is its default. An adapter is PEFT's, where PEFT is there.
"""

import contextlib
import json
import sys
import time


def missing(reason):
    print(json.dumps(dict(missing=reason)))
    sys.exit(0)


try:
    import torch
    import transformers
except ImportError as error:
    missing(f"{error}.")
if not torch.cuda.is_available():
    missing("its torch sees no CUDA card.")

request = json.loads(sys.argv[1])


def timed(f, count):
    for _ in range(3):
        f()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        f()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / count


def precision_of(name):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    return torch.autocast("cuda", torch.bfloat16) if name == "bf16" else contextlib.nullcontext()


def matmul(name):
    size = request["matmul"]
    precision_of(name)
    dtype = dict(bf16=torch.bfloat16, fp16=torch.float16).get(name, torch.float32)
    a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    return dict(precision=name, tflops=2 * size**3 / timed(lambda: a @ b, 20) / 1e12)


def train(shape, name, compiled=False):
    torch.manual_seed(0)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    config = {**shape["config"], "use_cache": False}
    config = transformers.AutoConfig.for_model(**config)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    if "lora" in shape:
        import peft
        model = peft.get_peft_model(model, peft.LoraConfig(target_modules="all-linear", **shape["lora"]))
    model.cuda().train()
    step_model = torch.compile(model) if compiled else model
    decay = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    rest = [p for p in model.parameters() if p.requires_grad and p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [dict(params=decay, weight_decay=0.01), dict(params=rest, weight_decay=0.0)], lr=1e-4)
    ids = torch.randint(0, config.vocab_size, (shape["rows"], shape["length"]), device="cuda")
    autocast = precision_of(name)
    found = []
    for micro_batches in request["micro_batches"]:
        def step():
            optimizer.zero_grad(set_to_none=True)
            for _ in range(micro_batches):
                with autocast:
                    loss = step_model(input_ids=ids, labels=ids).loss / micro_batches
                loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        seconds = timed(step, request["steps"])
        tokens = micro_batches * shape["rows"] * shape["length"]
        found.append(dict(
            shape=shape["name"],
            precision=name + (" compiled" if compiled else ""),
            micro_batches=micro_batches,
            tokens_per_s=tokens / seconds,
            tflops=micro_batches * shape["flops"] / seconds / 1e12,
            memory_mb=torch.cuda.max_memory_reserved() / 2**20,
        ))
    return found


PRECISIONS = ("fp32", "tf32", "bf16")
RUNS = [(name, False) for name in PRECISIONS] + ([("bf16", True)] if request.get("compile") else [])
answer = dict(
    device=f"torch {torch.__version__} on {torch.cuda.get_device_name()}",
    matmul=[matmul(name) for name in (*PRECISIONS, "fp16")],
    steps=[step for shape in request["shapes"] for name, compiled in RUNS for step in train(shape, name, compiled)],
)
print(json.dumps(answer))
