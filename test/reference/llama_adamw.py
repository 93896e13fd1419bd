"""Reference numbers for training: two small Llamas of Hugging Face's transformers, 20 AdamW steps each in float32.

Writes test/reference/llama_adamw.json: the config, the batch, the loss of every step and the gradients of the first one
(little-endian float32, base64). Weights are sines, so that they need not be stored.

    python -m venv .venv && .venv/bin/pip install torch transformers
    .venv/bin/python test/reference/llama_adamw.py
"""

import base64
import json
import math
import pathlib

import torch
import transformers

BASE = dict(
    model_type="llama", vocab_size=48, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0,
)
CASES = {
    "tied": dict(BASE, tie_word_embeddings=True),
    "untied_llama3_rope": dict(
        BASE, tie_word_embeddings=False, head_dim=16, rope_theta=500.0,
        rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=32),
    ),
}
LENGTH, ROWS, STEPS = 24, 3, 20
LEARNING_RATE, WEIGHT_DECAY, BETAS, EPSILON, MAX_NORM = 2e-3, 0.1, (0.9, 0.95), 1e-6, 0.5


def weight(name, shape):
    """The same numbers in any language: sines of the index, scaled; norms around 1."""
    n = math.prod(shape)
    phase = sum(map(ord, name)) % 97
    values = torch.tensor([math.sin(0.7 * i + phase) for i in range(n)], dtype=torch.float64)
    values = 1 + 0.1 * values if len(shape) == 1 else values * (0.8 / math.sqrt(shape[-1]))
    return values.float().reshape(shape)


def run(config):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(**config), attn_implementation="eager", dtype=torch.float32)
    model.train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    rows = [[(7 * r + 5 * i * i + 3 * i) % config["vocab_size"] for i in range(LENGTH)] for r in range(ROWS)]
    prompts = [5, 9, 2]  # tokens of each row that are not learned
    ids = torch.tensor(rows)
    labels = ids.clone()
    for r, prompt in enumerate(prompts):
        labels[r, :prompt] = -100
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [dict(params=decay, weight_decay=WEIGHT_DECAY), dict(params=rest, weight_decay=0.0)],
        lr=LEARNING_RATE, betas=BETAS, eps=EPSILON)
    losses, norms, gradients = [], [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(input_ids=ids).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
        loss.backward()
        if step == 0:
            for name, p in model.named_parameters():
                gradients[name] = base64.b64encode(p.grad.numpy().tobytes()).decode()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)))
        optimizer.step()
        losses.append(loss.item())
    return dict(config=config, rows=rows, prompts=prompts, losses=losses, norms=norms, gradients=gradients)


out = dict(
    made_with=f"torch {torch.__version__}, transformers {transformers.__version__}",
    optimizer=dict(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, beta1=BETAS[0], beta2=BETAS[1],
                   epsilon=EPSILON, max_grad_norm=MAX_NORM),
    cases={name: run(config) for name, config in CASES.items()},
)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
for name, case in out["cases"].items():
    print(name, [round(x, 5) for x in case["losses"][:3]], "…", round(case["losses"][-1], 5))
