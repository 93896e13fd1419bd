"""The peer of test/bench/train.ts: PyTorch's eager CPU step of the same Llama, float32, as many threads as cores.

Reads the model's config, rows and length as JSON from its first argument, and the rank and alpha of a LoRA beside all
linear layers where the base is frozen, which is then PEFT's. For every line on stdin it times a round of
steps (loss, backward, clipping, AdamW) and prints tokens a second and the peak resident set.
"""

import json
import os
import resource
import sys
import time

import torch
import transformers

arguments = json.loads(sys.argv[1])
config, rows, length, steps = (arguments[key] for key in ("config", "rows", "length", "steps"))
torch.set_num_threads(int(sys.argv[2]) or os.cpu_count())
torch.manual_seed(0)
model = transformers.LlamaForCausalLM._from_config(
    transformers.LlamaConfig(**config, use_cache=False), attn_implementation="sdpa", dtype=torch.float32)
model.train()
if arguments.get("rematerialize"):
    model.gradient_checkpointing_enable()
if lora := arguments.get("lora"):
    import peft

    model = peft.get_peft_model(model, peft.LoraConfig(**lora, target_modules="all-linear", task_type="CAUSAL_LM"))
trained = [p for p in model.parameters() if p.requires_grad]
decay = [p for p in trained if p.dim() > 1]
rest = [p for p in trained if p.dim() == 1]
optimizer = torch.optim.AdamW(
    [dict(params=decay, weight_decay=0.01), dict(params=rest, weight_decay=0.0)], lr=1e-4)
ids = torch.randint(0, config["vocab_size"], (rows, length))


def train():
    optimizer.zero_grad(set_to_none=True)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()


train()
for _ in sys.stdin:
    start, used = time.perf_counter(), time.process_time()
    for _ in range(steps):
        train()
    seconds, cpu = (time.perf_counter() - start) / steps, (time.process_time() - used) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(dict(tokens_per_s=rows * length / seconds, peak_rss_mb=peak, cpu_s=cpu)), flush=True)
