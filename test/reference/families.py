"""Reference logits of each family, from Hugging Face's transformers in float32.

Writes test/reference/families.json: for each case the config, the weights' shapes and the logits after each token
(little-endian float32, base64). Weights are sines, so that they need not be stored.

    python -m venv .venv && .venv/bin/pip install torch transformers
    .venv/bin/python test/reference/families.py
"""

import base64
import json
import math
import pathlib

import torch
import transformers

BASE = dict(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.1)
LINEAR = dict(rope_type="linear", factor=4.0)
CASES = {
    "llama": dict(BASE, model_type="llama"),
    "llama, linear scaling": dict(BASE, model_type="llama", rope_theta=100.0, rope_scaling=dict(type="linear", factor=4.0)),
    "qwen2": dict(BASE, model_type="qwen2", rope_theta=1e6),
    "qwen2, tied, linear scaling": dict(BASE, model_type="qwen2", tie_word_embeddings=True, rope_theta=100.0, rope_scaling=LINEAR),
    "qwen3": dict(BASE, model_type="qwen3", head_dim=16, rope_theta=1e6),
    "qwen3, tied, as many keys as queries": dict(BASE, model_type="qwen3", head_dim=8, num_key_value_heads=4, tie_word_embeddings=True),
    "gemma3_text": dict(BASE, model_type="gemma3_text", num_hidden_layers=4, head_dim=16, query_pre_attn_scalar=16,
                        sliding_window=8, sliding_window_pattern=2, rope_theta=1e6, rope_local_base_freq=1e4),
    "gemma3_text, layer types and linear scaling": dict(
        BASE, model_type="gemma3_text", num_hidden_layers=3, num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=24,
        sliding_window=5, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters=dict(full_attention=dict(rope_theta=100.0, **LINEAR),
                             sliding_attention=dict(rope_type="default", rope_theta=50.0))),
}
TOKENS = [(5 * i * i + 3 * i + i // 7) % BASE["vocab_size"] for i in range(48)]


def weight(name, initial):
    """The same numbers in any language: sines of the index, scaled; those of vectors around what a new model holds."""
    shape = tuple(initial.shape)
    n = math.prod(shape)
    phase = sum(map(ord, name)) % 97
    values = torch.tensor([math.sin(0.7 * i + phase) for i in range(n)], dtype=torch.float64)
    values = values * (1.6 / math.sqrt(shape[-1])) if len(shape) > 1 else initial.double() + values / 2
    return values.float().reshape(shape)


def run(config):
    torch.set_num_threads(1)
    model_type, rest = config["model_type"], {k: v for k, v in config.items() if k != "model_type"}
    hf = transformers.AutoConfig.for_model(model_type, **json.loads(json.dumps(rest)))
    model = transformers.AutoModelForCausalLM.from_config(hf, attn_implementation="eager", dtype=torch.float32)
    model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, parameter))
        logits = model(torch.tensor([TOKENS])).logits[0]
    parameters = {name: list(p.shape) for name, p in model.named_parameters()}
    return dict(config=config, parameters=parameters, logits=base64.b64encode(logits.numpy().tobytes()).decode())


out = dict(
    made_with=f"torch {torch.__version__}, transformers {transformers.__version__}",
    tokens=TOKENS,
    cases={name: run(config) for name, config in CASES.items()},
)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
