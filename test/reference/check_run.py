"""Opens what a run left with the Python libraries that others will open it with.

python -m venv .venv && .venv/bin/pip install torch transformers datasets gguf
npm run build:test && .venv/bin/python test/reference/check_run.py runs/quickstart
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from datasets import load_from_disk
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

run = Path(sys.argv[1])
manifest = json.loads((run / "manifest.json").read_text())

traces = load_from_disk(str(run / "traces"))
asked = manifest["stages"]["judge"]["result"]
print(f"traces: {traces.num_rows} rows, {sum(traces['accepted'])} accepted; columns {', '.join(traces.column_names)}")
assert traces.num_rows == asked["drawn"] and sum(traces["accepted"]) == asked["accepted"]
assert len(set(zip(traces["prompt_id"], traces["sample"]))) == traces.num_rows

dataset = load_from_disk(str(run / "dataset"))
print(f"dataset: {dataset.num_rows} rows; {dataset.features}")
assert dataset.num_rows == manifest["stages"]["select"]["result"]["rows"]
assert dataset[0]["messages"][-1]["content"] == dataset[0]["completion"]

tokenizer = AutoTokenizer.from_pretrained(run / "student")
model = AutoModelForCausalLM.from_pretrained(run / "student", dtype=torch.float32)
text = tokenizer.apply_chat_template(dataset[0]["messages"], tokenize=False)
ids = tokenizer(text, add_special_tokens=False)["input_ids"]
ours = subprocess.run(
    ["node", ".build/test/reference/logits.js", str(run / "student"), json.dumps(ids)],
    check=True,
    capture_output=True,
).stdout
with torch.no_grad():
    theirs = model(torch.tensor([ids])).logits[0]
difference = (torch.frombuffer(bytearray(ours), dtype=torch.float32).view_as(theirs) - theirs).abs().max().item()
print(f"student: logits of {len(ids)} tokens differ by {difference:.1e} at most")
assert difference < 1e-4

for path in sorted((run / "export" / "gguf").glob("*.gguf")):
    reader = GGUFReader(path)
    field = lambda name: reader.get_field(name).contents()
    print(
        f"{path.name}: {field('general.architecture')}, {field('llama.block_count')} layers, "
        f"{len(field('tokenizer.ggml.tokens'))} tokens, {len(reader.tensors)} tensors"
    )
    assert len(field("tokenizer.ggml.tokens")) == model.config.vocab_size
