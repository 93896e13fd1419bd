"""Continues texts greedily with llama-cpp-python: python llama_child.py JOB.json, answers as JSON on the last line."""

import json
import sys

from llama_cpp import Llama, llama_vocab_is_eog


def answer(asked):
    model = Llama(model_path=asked["path"], n_ctx=256, n_threads=1, n_gpu_layers=0, verbose=False)
    texts = asked["texts"] + asked["encode"]
    encoded = [model.tokenize(text.encode(), add_bos=False, special=True) if text else [] for text in texts]
    continued = []
    for ids in encoded[: len(asked["texts"])]:
        said = []
        for token in model.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0):
            if llama_vocab_is_eog(model._model.vocab, token) or len(said) == asked["max_new_tokens"]:  # as create_completion ends
                break
            said.append(token)
        continued.append(said)
    model.close()
    return {"encoded": encoded, "continued": continued}


answers = []
for asked in json.load(open(sys.argv[1])):
    try:
        answers.append(answer(asked))
    except Exception as error:  # each file's own
        answers.append({"error": str(error).strip().split("\n")[0][-200:]})
print(json.dumps(answers))
