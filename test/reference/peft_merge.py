"""The weights of a model in an HF folder with an adapter merged into them by PEFT, as a safetensors file.

    .venv/bin/python test/reference/peft_merge.py MODEL ADAPTER OUTPUT
"""

import sys

import peft
import safetensors.torch
import torch
import transformers

folder, adapter, output = sys.argv[1:]
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
merged = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
tied = model.config.tie_word_embeddings
weights = {name: tensor.contiguous() for name, tensor in merged.state_dict().items()}
safetensors.torch.save_file({k: v for k, v in weights.items() if not (tied and k == "lm_head.weight")}, output)
