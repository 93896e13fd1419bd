"""The logits of models in HF folders with adapters that PEFT loads, for JSON lists of token ids, as float32 on standard
output, one after the other.

    .venv/bin/python test/reference/peft_logits.py MODEL ADAPTER '[1, 2, 3]' [MODEL ADAPTER '[1, 2, 3]' …]
"""

import json
import sys

import peft
import torch
import transformers

for folder, adapter, ids in zip(*[iter(sys.argv[1:])] * 3):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        logits = model.eval()(torch.tensor([json.loads(ids)])).logits[0]
    sys.stdout.buffer.write(logits.numpy().tobytes())
