"""The logits of a model in an HF folder with an adapter that PEFT loads, for a JSON list of token ids, as float32 on
standard output.

    .venv/bin/python test/reference/peft_logits.py MODEL ADAPTER '[1, 2, 3]'
"""

import json
import sys

import peft
import torch
import transformers

folder, adapter, ids = sys.argv[1:]
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
model = peft.PeftModel.from_pretrained(model, adapter)
with torch.no_grad():
    logits = model.eval()(torch.tensor([json.loads(ids)])).logits[0]
sys.stdout.buffer.write(logits.numpy().tobytes())
