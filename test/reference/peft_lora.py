"""Reference numbers for adapters, from PEFT in float32: what small models with a LoRA say, and 10 AdamW steps of it.

Writes test/reference/peft_lora.json: for each case the config, the adapter as PEFT saved it (adapter_config.json, and the
bytes of adapter_model.safetensors in base64), the logits after each token (little-endian float32, base64), and the loss of
every step of training from there with the base frozen. Weights are sines, so that they need not be stored.

    python -m venv .venv && .venv/bin/pip install torch transformers peft
    .venv/bin/python test/reference/peft_lora.py
"""

import base64
import json
import math
import pathlib
import tempfile

import peft
import torch
import transformers

BASE = dict(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.1, rope_theta=10000.0)
CASES = {
    "llama, all-linear": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                          dict(r=4, lora_alpha=6, target_modules="all-linear")),
    "qwen2, two modules, rslora": (dict(BASE, model_type="qwen2", tie_word_embeddings=True),
                                   dict(r=3, lora_alpha=5, target_modules=["q_proj", "down_proj"], use_rslora=True)),
    "llama, the head": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                        dict(r=4, lora_alpha=6, target_modules=["v_proj", "lm_head"])),
    "llama, PiSSA": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                     dict(r=5, lora_alpha=6, target_modules="all-linear", init_lora_weights="pissa")),
    "qwen2, OLoRA": (dict(BASE, model_type="qwen2", tie_word_embeddings=True),
                     dict(r=3, lora_alpha=5, target_modules="all-linear", use_rslora=True, init_lora_weights="olora")),
    "llama, patterns": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                        dict(r=4, lora_alpha=6, target_modules=r".*layers\.\d+\.(self_attn\.[qv]|mlp\.\w+)_proj",
                             exclude_modules=["up_proj"], rank_pattern={r"layers\.0\.self_attn\..*": 2, "down_proj": 5},
                             alpha_pattern={"q_proj": 3, "1.mlp.gate_proj": 9})),
    "llama, a layer, and modules to save": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                                            dict(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"],
                                                 layers_to_transform=[1], modules_to_save=["lm_head", "model.norm"])),
    "qwen2, tied embeddings to save": (dict(BASE, model_type="qwen2", tie_word_embeddings=True),
                                       dict(r=4, lora_alpha=6, target_modules=["q_proj"],
                                            modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    "llama, embeddings saved beside": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                                       dict(r=4, lora_alpha=6, target_modules=["v_proj", "lm_head"])),
    "llama, DoRA": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                    dict(r=4, lora_alpha=6, target_modules="all-linear", use_dora=True)),
    "llama, DoRA of the head": (dict(BASE, model_type="llama", tie_word_embeddings=False),
                                dict(r=4, lora_alpha=6, target_modules=["v_proj", "lm_head"], use_dora=True)),
}
LENGTH, ROWS, STEPS = 24, 3, 10
LEARNING_RATE, WEIGHT_DECAY, BETAS, EPSILON, MAX_NORM = 1e-2, 0.1, (0.9, 0.95), 1e-6, 0.5


def weight(name, shape):
    """The same numbers in any language: sines of the index, scaled; vectors around 1."""
    n = math.prod(shape)
    phase = sum(map(ord, name)) % 97
    values = torch.tensor([math.sin(0.7 * i + 0.61 * i * i + phase) for i in range(n)], dtype=torch.float64)
    values = 1 + 0.1 * values if len(shape) == 1 else values * (0.8 / math.sqrt(shape[-1]))
    return values.float().reshape(shape)


def run(case, config, lora):
    embeddings = "saved beside" in case
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model_type, rest = config["model_type"], {k: v for k, v in config.items() if k != "model_type"}
    hf = transformers.AutoConfig.for_model(model_type, **rest)
    model = transformers.AutoModelForCausalLM.from_config(hf, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    model = peft.get_peft_model(model, peft.LoraConfig(**lora, task_type="CAUSAL_LM"))
    with torch.no_grad():
        if embeddings:
            model.get_output_embeddings().base_layer.weight.mul_(-0.5)
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.copy_(weight(name, tuple(parameter.shape)))
    rows = [[(7 * r + 5 * i * i + 3 * i) % config["vocab_size"] for i in range(LENGTH)] for r in range(ROWS)]
    prompts = [5, 9, 2]  # tokens of each row that are not learned
    ids = torch.tensor(rows)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        logits = model.eval()(ids[:1]).logits[0]
        model.save_pretrained(folder, save_embedding_layers=embeddings)
        adapter = dict(
            config=json.loads((pathlib.Path(folder) / "adapter_config.json").read_text()),
            safetensors=base64.b64encode((pathlib.Path(folder) / "adapter_model.safetensors").read_bytes()).decode())
    model.train()
    labels = ids.clone()
    for r, prompt in enumerate(prompts):
        labels[r, :prompt] = -100
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [dict(params=[p for p in trained if p.ndim > 1], weight_decay=WEIGHT_DECAY),
              dict(params=[p for p in trained if p.ndim == 1], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        out = model(input_ids=ids).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(out.reshape(-1, out.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, MAX_NORM)
        optimizer.step()
        losses.append(loss.item())
    return dict(config=config, adapter=adapter, rows=rows, prompts=prompts,
                logits=base64.b64encode(logits.numpy().tobytes()).decode(), losses=losses)


out = dict(
    made_with=f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}",
    optimizer=dict(learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, beta1=BETAS[0], beta2=BETAS[1],
                   epsilon=EPSILON, max_grad_norm=MAX_NORM),
    cases={name: run(name, *case) for name, case in CASES.items()},
)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
for name, case in out["cases"].items():
    print(name, [round(x, 5) for x in case["losses"]])
