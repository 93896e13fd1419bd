"""What TRL's SFTTrainer makes of small students in 20 steps: the loss of every step and the weights at the end, in float32.

Writes test/reference/trl_sft.json: the rows and, for each case, the config, the trainer's options, the losses, the learning
rates, and of each trained tensor its norm and some of its elements. Weights are sines, so that they need not be stored. The
tokenizer is that of data/stories, whose padding is the token that ends a text.

    python -m venv .venv && .venv/bin/pip install torch transformers peft trl datasets
    .venv/bin/python test/reference/trl_sft.py

- Rows are used in their order, one pass; row i of a run is row i mod 12 of the file. Nothing is packed or cut.
- Pairs are prompts and completions of text, for a student without a chat template. Conversations have two turns of the
  assistant; TRL learns those by assistant_only_loss, for which the template has {% generation %} round an answer and the
  token that ends it. Nothing is written behind that token, as distill supervises nothing behind it.
- transformers starts a warm-up at a rate of 0, distill at one step's share. The case with a warm-up gives TRL the schedule of
  transformers with the warm-up one step ahead, which is named `ahead`; `rates_of_transformers` are those of the schedule
  as it is.
"""

import json
import math
import pathlib
import shutil
import tempfile

import datasets
import peft
import torch
import transformers
import trl
from transformers import AutoTokenizer

TOKENIZER = pathlib.Path("data/stories")
BASE = dict(vocab_size=588, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6, tie_word_embeddings=True)
LLAMA, QWEN2 = dict(BASE, model_type="llama", rope_theta=10000.0), dict(BASE, model_type="qwen2", rope_theta=10000.0)
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ 'Answer:' }}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
)
STEPS = 20
CONSTANT = dict(lr_scheduler_type="constant", warmup_ratio=0.0)
CASES = {
    "pairs": dict(config=LLAMA, rows="pairs", trainer=dict(CONSTANT, per_device_train_batch_size=3)),
    "messages": dict(config=LLAMA, rows="messages", trainer=dict(CONSTANT, per_device_train_batch_size=2)),
    "gradient accumulation": dict(
        config=LLAMA, rows="pairs",
        trainer=dict(CONSTANT, per_device_train_batch_size=1, gradient_accumulation_steps=4)),
    "weight decay, beside biases": dict(
        config=QWEN2, rows="pairs", trainer=dict(CONSTANT, per_device_train_batch_size=3, weight_decay=0.5)),
    "an adapter": dict(
        config=LLAMA, rows="pairs", lora=dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"]),
        trainer=dict(CONSTANT, per_device_train_batch_size=3, weight_decay=0.1)),
    "a linear schedule with a warm-up": dict(
        config=LLAMA, rows="messages",
        trainer=dict(lr_scheduler_type="linear", warmup_ratio=0.25, per_device_train_batch_size=2)),
}
COMMON = dict(learning_rate=3e-3, max_steps=STEPS, max_length=256, adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-6,
              max_grad_norm=0.5)
SAMPLED = 24


def rows():
    """Questions with answers of quite different lengths; the second turn of a conversation asks on."""
    pairs, messages = [], []
    for i in range(12):
        a, b = 11 + 7 * i % 41, 3 + 5 * i % 29
        question = f"Jana has {a} plums. She finds {b} more. How many are left?"
        steps = [f"{a} + {b} = {a + b}, check {a + b} - {b} = {a} ok."] * (1 + i * i % 5)
        answer = f"<think>{' '.join(steps)}</think><answer>{a + b}</answer>" if i % 3 else f"<answer>{a + b}</answer>"
        pairs.append(dict(prompt=question, completion=answer))
        conversation = [dict(role="user", content=question), dict(role="assistant", content=answer),
                        dict(role="user", content=f"And {b} less?"), dict(role="assistant", content=f"<answer>{a}</answer>")]
        messages.append(dict(messages=([dict(role="system", content="Count.")] if i % 2 else []) + conversation))
    return dict(pairs=pairs, messages=messages)


def weight(name, shape):
    """The same numbers in any language: sines of the index, scaled; norms around 1, biases around 0."""
    n = math.prod(shape)
    phase = sum(map(ord, name)) % 97
    values = torch.tensor([math.sin(0.7 * i + phase) for i in range(n)], dtype=torch.float64)
    if len(shape) == 1:
        values = 0.2 * values if name.endswith("bias") else 1 + 0.1 * values
    else:
        values = values * (0.8 / math.sqrt(shape[-1]))
    return values.float().reshape(shape)


def named(name):
    return name.replace(".default.", ".")


def ahead(trainer, warmup):
    """The schedule of transformers with its warm-up one step ahead."""
    def share(k):
        return min((k + 1) / warmup, 1.0) if k < warmup else (STEPS - k) / (STEPS - warmup)
    return torch.optim.lr_scheduler.LambdaLR(trainer.optimizer, share)


class Recording(trl.SFTTrainer):
    """Notes what each step's loss and learning rate were, unrounded."""

    def create_scheduler(self, num_training_steps, optimizer=None):
        super().create_scheduler(num_training_steps, optimizer)
        warmup = self.args.get_warmup_steps(num_training_steps)
        self.rates_of_transformers = [self.args.learning_rate * self.lr_scheduler.lr_lambdas[0](k) for k in range(STEPS)]
        if warmup:
            self.lr_scheduler = ahead(self, warmup)
        return self.lr_scheduler

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.noted.append((self.state.global_step, loss.double().item(), self.lr_scheduler.get_last_lr()[0]))
        return loss


def run(all_rows, config, rows, trainer, lora=None):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    options = {**COMMON, **trainer}
    rest = {k: v for k, v in config.items() if k != "model_type"}
    hf = transformers.AutoConfig.for_model(config["model_type"], **json.loads(json.dumps(rest)))
    model = transformers.AutoModelForCausalLM.from_config(hf, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "tokenizer"
        shutil.copytree(TOKENIZER, place)
        written = json.loads((place / "tokenizer_config.json").read_text())
        del written["chat_template"]
        if rows == "messages":
            written["chat_template"] = TEMPLATE
        (place / "tokenizer_config.json").write_text(json.dumps(written))
        tokenizer = AutoTokenizer.from_pretrained(place)
        count = STEPS * options["per_device_train_batch_size"] * options.get("gradient_accumulation_steps", 1)
        dataset = datasets.Dataset.from_list([all_rows[rows][i % len(all_rows[rows])] for i in range(count)])
        hf_options = {k: v for k, v in options.items() if k != "warmup_ratio"}
        args = trl.SFTConfig(
            **hf_options, warmup_steps=math.ceil(STEPS * options["warmup_ratio"]), output_dir=folder, seed=0, packing=False,
            assistant_only_loss=rows == "messages", train_sampling_strategy="sequential", optim="adamw_torch",
            bf16=False, fp16=False, use_cpu=True, gradient_checkpointing=False, report_to=[], save_strategy="no",
            disable_tqdm=True, logging_strategy="no", dataloader_num_workers=0)
        extra = dict(peft_config=peft.LoraConfig(**lora, task_type="CAUSAL_LM")) if lora else {}
        sft = Recording(model=model, args=args, train_dataset=dataset, processing_class=tokenizer, **extra)
        sft.noted = []
        if lora:
            with torch.no_grad():
                for name, parameter in sft.model.named_parameters():
                    if "lora_" in name:
                        parameter.copy_(weight(named(name), tuple(parameter.shape)))
        sft.train()
    losses, rates = [0.0] * STEPS, [0.0] * STEPS
    for step, loss, rate in sft.noted:
        losses[step] += loss
        rates[step] = rate
    decayed = sorted(named(n) for n in sft.get_decay_parameter_names(sft.model))
    tensors = {}
    for name, parameter in sft.model.named_parameters():
        if parameter.requires_grad:
            flat = parameter.detach().double().flatten()
            at = torch.linspace(0, len(flat) - 1, min(SAMPLED, len(flat)), dtype=torch.float64).floor().long()
            tensors[named(name)] = dict(shape=list(parameter.shape), norm=flat.norm().item(), at=at.tolist(),
                                        elements=[float(f"{x:.9g}") for x in flat[at].tolist()],
                                        decays=named(name) in decayed)
    result = dict(config=config, rows=rows, trainer=options, losses=losses, rates=rates, tensors=tensors)
    if options["warmup_ratio"]:
        result["rates_of_transformers"] = sft.rates_of_transformers
    return {**result, **(dict(lora=lora) if lora else {})}


texts = rows()
out = dict(
    made_with=f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, trl {trl.__version__}",
    template=TEMPLATE,
    rows=texts,
    cases={name: run(texts, **case) for name, case in CASES.items()},
)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
for name, case in out["cases"].items():
    print(name, [round(x, 5) for x in case["losses"][:3]], "…", round(case["losses"][-1], 5))
