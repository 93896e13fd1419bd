"""Answers of a measurement on GSM8K, judged by lm-evaluation-harness's own code.

Reads the traces that distill eval left, applies the filters and the metric of the harness's task gsm8k_cot_zeroshot as the
installed package has them, and prints both accuracies and every row on which they differ, with what each of the two read.

    python -m venv .venv && .venv/bin/pip install lm-eval
    .venv/bin/python test/reference/lm_eval_gsm8k.py runs/eval-MODEL/evaluation/gsm8k/traces/MODEL
"""

import importlib.metadata
import pathlib
import sys

import datasets
import lm_eval
import yaml
from lm_eval.api.metrics import exact_match_fn
from lm_eval.filters.extraction import RegexFilter

task = yaml.safe_load((pathlib.Path(lm_eval.__file__).parent / "tasks/gsm8k/gsm8k-cot-zeroshot.yaml").read_text())
(metric,) = task["metric_list"]
options = {key: metric[key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
rows = list(datasets.load_from_disk(sys.argv[1]))
print(f"lm-eval {importlib.metadata.version('lm-eval')}, {task['task']} version {task['metadata']['version']}; {len(rows)} answers")


def judged(name):
    """What the harness reads in each answer, and whether it is right."""
    (chain,) = [one["filter"] for one in task["filter_list"] if one["name"] == name]
    regex = {key: value for key, value in chain[0].items() if key != "function"}
    read = [first[0] for first in RegexFilter(**regex).apply([[row["completion"]] for row in rows], rows)]
    # the harness compares with the whole solution, of which its regexes leave what stands behind ####
    right = [
        bool(exact_match_fn(predictions=[one], references=[f"#### {row['answer']}"], **options)["exact_match"])
        for one, row in zip(read, rows)
    ]
    return read, right


ours = [row["verdict"] == "correct" for row in rows]
print(f"ours              {sum(ours)} of {len(rows)} ({sum(ours) / len(rows):.4f})")
for name in ("flexible-extract", "strict-match"):
    read, right = judged(name)
    differing = [i for i in range(len(rows)) if ours[i] != right[i]]
    print(f"{name:17} {sum(right)} of {len(rows)} ({sum(right) / len(rows):.4f}); {len(differing)} differ")
    for i in differing:
        row = rows[i]
        end = " ".join(row["completion"].split())[-160:]
        print(f"  {row['prompt_id']}: reference {row['answer']}, ours {row['verdict']} ({row['extracted']!r}, {row['finish_reason']}), theirs {right[i]} ({read[i]!r}); … {end}")
