"""Learning rates of every schedule, from Hugging Face's transformers.

Writes test/reference/schedules.json: for each case the schedule's name, its options, the steps of the warm-up and of the run,
and the share of the learning rate at each step from the first on; one more where the warm-up is longer than the run.

    python -m venv .venv && .venv/bin/pip install torch transformers
    .venv/bin/python test/reference/schedules.py
"""

import json
import pathlib

import torch
import transformers
from transformers.optimization import get_scheduler

LEARNING_RATE = 3e-3
SCHEDULES = [
    ("linear", {}),
    ("cosine", {}),
    ("cosine", {"num_cycles": 1.25}),
    ("cosine_with_restarts", {}),
    ("cosine_with_restarts", {"num_cycles": 3}),
    ("polynomial", {}),
    ("polynomial", {"lr_end": 2e-4, "power": 2.5}),
    ("constant_with_warmup", {}),
    ("inverse_sqrt", {}),
    ("inverse_sqrt", {"timescale": 7}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", {"min_lr": 1e-4, "num_cycles": 0.8}),
    ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2}),
    ("cosine_warmup_with_min_lr", {"min_lr": 3e-4, "warmup_lr_rate": 0.05}),
    ("warmup_stable_decay", {"num_decay_steps": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 5, "decay_type": "linear", "warmup_type": "cosine", "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", {"num_decay_steps": 3, "decay_type": "1-sqrt", "warmup_type": "1-sqrt", "num_stable_steps": 2}),
]
LENGTHS = [(10, 0), (10, 1), (23, 4), (40, 12), (6, 6), (5, 9)]


def shares(name, kwargs, steps, warmup):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LEARNING_RATE)
    scheduler = get_scheduler(name, optimizer, warmup, steps, scheduler_specific_kwargs=dict(kwargs))
    rates = [scheduler.get_last_lr()[0] / LEARNING_RATE]
    for _ in range(steps if warmup > steps else steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0] / LEARNING_RATE)
    return rates


def warmup_steps():
    given = [0, 0.03, 0.1, 0.5, 1, 7]
    arguments = [transformers.TrainingArguments(output_dir="unused", warmup_steps=w, use_cpu=True) for w in given]
    return [[w, steps, a.get_warmup_steps(steps)] for w, a in zip(given, arguments) for steps in (10, 101)]


cases = [
    dict(lr_scheduler_type=name, lr_scheduler_kwargs=kwargs, steps=steps, warmup=warmup, shares=shares(name, kwargs, steps, warmup))
    for name, kwargs in SCHEDULES
    for steps, warmup in LENGTHS
]
content = dict(
    versions=dict(transformers=transformers.__version__),
    learning_rate=LEARNING_RATE,
    names=[kind.value for kind in transformers.SchedulerType],
    warmup_steps=warmup_steps(),
    cases=cases,
)
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(content) + "\n")
