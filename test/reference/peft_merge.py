"""The weights of models in HF folders with adapters merged into them by PEFT, as safetensors files.

    .venv/bin/python test/reference/peft_merge.py MODEL ADAPTER OUTPUT [MODEL ADAPTER OUTPUT …]
"""

import sys

import peft
import safetensors.torch
import torch
import transformers

for folder, adapter, output in zip(*[iter(sys.argv[1:])] * 3):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    merged = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
    tied = model.config.tie_word_embeddings
    weights = {name: tensor.contiguous() for name, tensor in merged.state_dict().items()}
    safetensors.torch.save_file({k: v for k, v in weights.items() if not (tied and k == "lm_head.weight")}, output)
