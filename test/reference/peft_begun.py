"""Adapters of PEFT's that took a part out of the weights when they began, with what the trained models are when merged.

    .venv/bin/python test/reference/peft_begun.py FOLDER

Writes FOLDER/base, whose query matrices have singular values that are nearly all the same, so that which of them are the
largest is decided by rounding, and for each case FOLDER/CASE, a folder that save_pretrained wrote, and FOLDER/CASE.safetensors,
the weights of the model that was trained, merged in memory. Cases that end in -beside have the adapter as it began in
CASE/pissa_init; those that end in -converted were saved with path_initial_model_for_weight_conversion.
"""

import os
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

FOLDER = sys.argv[1]
CASES = {
    "pissa-beside": "pissa",
    "pissa_niter_4-beside": "pissa_niter_4",
    "olora-beside": "olora",
    "pissa-converted": "pissa",
    "pissa_niter_4-converted": "pissa_niter_4",
    "olora-converted": "olora",
    "pissa": "pissa",
}

torch.manual_seed(0)
config = transformers.LlamaConfig(
    vocab_size=40,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    tie_word_embeddings=False,
)
model = transformers.LlamaForCausalLM(config)
with torch.no_grad():
    for layer in model.model.layers:
        weight = layer.self_attn.q_proj.weight
        weight.copy_(torch.linalg.qr(torch.randn_like(weight))[0] * 0.1 + 1e-7 * torch.randn_like(weight))
base = os.path.join(FOLDER, "base")
model.save_pretrained(base)

for case, init in CASES.items():
    place = os.path.join(FOLDER, case)
    options = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"down_proj": 2},
        init_lora_weights=init,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(transformers.LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), options)
    adapter = model.peft_config["default"]
    begun = os.path.join(place, "pissa_init") if case.endswith("-beside") else f"{place}-init"
    adapter.init_lora_weights = True
    model.save_pretrained(begun)
    adapter.init_lora_weights = init
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    convert = dict(path_initial_model_for_weight_conversion=begun) if case.endswith("-converted") else {}
    model.save_pretrained(place, **convert)
    merged = model.merge_and_unload().state_dict()
    save_file({name: tensor.contiguous() for name, tensor in merged.items()}, f"{place}.safetensors")
