"""Render chat templates as transformers does: jobs come as JSON on stdin, texts go to stdout."""

import json
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment


def raise_exception(message):
    raise ValueError(message)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
environment.globals["raise_exception"] = raise_exception
texts = [
    environment.from_string(job["template"]).render(
        messages=job["messages"],
        add_generation_prompt=job["generate"],
        bos_token=job["bos"],
        eos_token=job["eos"],
    )
    for job in json.load(sys.stdin)
]
json.dump(texts, sys.stdout)
