"""Continues texts greedily with onnxruntime alone: python python_child.py JOB.json, answers as JSON on the last line."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def answer(asked):
    onnx.checker.check_model(asked["path"], full_check=True)
    session = onnxruntime.InferenceSession(asked["path"], providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(asked["folder"] + "/tokenizer.json")
    outputs = [output.name for output in session.get_outputs()]
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in asked["texts"] + asked["encode"]]
    continued = []
    for ids in encoded[: len(asked["texts"])]:
        cache = {
            given.name: np.zeros([1, given.shape[1], 0, given.shape[3]], TYPES[given.type])
            for given in session.get_inputs()
            if given.name.startswith("past_key_values")
        }
        said, new, length = [], ids, 0
        while len(said) < asked["max_new_tokens"]:
            length += len(new)
            feeds = {
                "input_ids": np.array([new], np.int64),
                "attention_mask": np.ones([1, length], np.int64),
                "position_ids": np.arange(length - len(new), length, dtype=np.int64)[None],
                **cache,
            }
            result = dict(zip(outputs, session.run(None, feeds)))
            cache = {name.replace("present", "past_key_values"): value for name, value in result.items() if name != "logits"}
            logits = result["logits"][0, -1]
            if not np.isfinite(logits).all():
                raise ValueError("its logits are not finite")
            said.append(int(logits.argmax()))
            new = said[-1:]
        continued.append(said)
    return {"encoded": encoded, "continued": continued}


answers = []
for asked in json.load(open(sys.argv[1])):
    try:
        answers.append(answer(asked))
    except Exception as error:  # each file's own
        answers.append({"error": str(error).strip().split("\n")[0][-200:]})
print(onnxruntime.__version__)
print(json.dumps(answers))
