"""The peer of test/bench/grpo.ts: TRL's GRPOTrainer on the CPU, float32, with transformers' generation.

Reads what to do as JSON from its first argument: the student's folder, a file of prompts as the student reads them with
their answers, and the numbers of both. Prints a line for each optimizer step: its seconds, the tokens of its completions and
of what it trained on, the mean reward, and the seconds that generation took of it.
"""

import json
import re
import sys
import time

import datasets
import torch
import transformers
import trl

arguments = json.loads(sys.argv[1])
torch.set_num_threads(arguments["threads"])
tokenizer = transformers.AutoTokenizer.from_pretrained(arguments["student"])
tokenizer.padding_side = "left"
model = transformers.AutoModelForCausalLM.from_pretrained(arguments["student"], dtype=torch.float32)
tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(model.generation_config.eos_token_id)
tokenizer.eos_token = tokenizer.pad_token
with open(arguments["prompts"]) as lines:
    rows = datasets.Dataset.from_list([json.loads(line) for line in lines])


def accuracy(completions, answer, **_):
    said = [re.findall(r"<answer>\s*(-?\d+)\s*</answer>", completion) for completion in completions]
    return [float(len(one) == 1 and one[0] == right) for one, right in zip(said, answer)]


seconds = dict(generation=0.0)
generate = model.generate


def timed(*args, **kwargs):
    start = time.perf_counter()
    try:
        return generate(*args, **kwargs)
    finally:
        seconds["generation"] += time.perf_counter() - start


model.generate = timed


class Told(transformers.TrainerCallback):
    def on_log(self, _, state, __, logs, **___):
        if "reward" not in logs:
            return
        now = time.perf_counter()
        size = arguments["prompts_per_step"] * arguments["num_generations"]
        print(json.dumps(dict(
            seconds=now - self.last, tokens=size * logs["completions/mean_length"], reward=logs["reward"],
            sampling=seconds["generation"])), flush=True)
        self.last, seconds["generation"] = now, 0.0

    def on_train_begin(self, *_, **__):
        self.last = time.perf_counter()


config = trl.GRPOConfig(
    output_dir=arguments["output"], use_cpu=True, bf16=False, report_to="none", save_strategy="no", logging_steps=1,
    disable_tqdm=True, gradient_checkpointing=False, seed=arguments["seed"], max_steps=arguments["steps"],
    per_device_train_batch_size=arguments["prompts_per_step"] * arguments["num_generations"],
    gradient_accumulation_steps=1, steps_per_generation=1, num_generations=arguments["num_generations"],
    max_completion_length=arguments["max_completion_length"], learning_rate=arguments["learning_rate"],
    lr_scheduler_type="constant", beta=0.0, loss_type="dapo", temperature=1.0,
)
trl.GRPOTrainer(model=model, reward_funcs=accuracy, args=config, train_dataset=rows, processing_class=tokenizer,
                callbacks=[Told()]).train()
