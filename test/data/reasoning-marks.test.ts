import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BYTE_CHARACTERS } from "../../src/data/byte-level.ts";
import { marksOf } from "../../src/data/reasoning-marks.ts";
import { toSegments } from "../../src/data/segments.ts";
import { loadTokenizer, type Rendering, type Tokenizer } from "../../src/data/tokenizer.ts";
import type { Turn } from "../../src/data/turns.ts";
import { bundled, bundledNames, whyNoBundle } from "../support/chat-templates.ts";
import { scratch } from "../support/students.ts";
import { BYTE_LEVEL, writeTokenizer } from "../support/tokenizers.ts";

const published = { skip: whyNoBundle ?? false };
const folder = scratch();

/** A tokenizer for a template, of which everything that looks like a special token is one; `eos` ends its texts. */
function tokenizerOf(name: string, template: string, eos: string, rendering: Rendering = {}): Tokenizer {
  const found = [...template.matchAll(/<[|｜][^<>|｜\s]{1,40}[|｜]>/g)].map(([token]) => token);
  const place = join(folder, name);
  writeTokenizer(place, {
    characters: BYTE_CHARACTERS,
    pre_tokenizer: BYTE_LEVEL,
    added: [...new Set([...found, eos, "<|begin|>"])].map((content) => [content, true] as const),
    config: { chat_template: template, eos_token: eos, bos_token: "<|begin|>" },
  });
  return loadTokenizer(place, undefined, rendering);
}

const ASKED: Turn = { role: "user", content: "Is 9 odd?" };
const said = (more: Partial<Turn> = {}): Turn => ({ role: "assistant", content: "It is.", ...more });
const called = said({
  content: "",
  tool_calls: [{ type: "function", id: "call12345", function: { name: "odd", arguments: { n: 9 } } }],
});
const WHY = { reasoning_content: "9 is 2*4+1." };
const tools = [
  {
    type: "function",
    function: {
      name: "odd",
      description: "d",
      parameters: { type: "object", properties: { n: { type: "integer", description: "n" } } },
    },
  },
];

/** The end of the prompt, and what is learned behind it. */
function learned(turn: Turn, t: Tokenizer): [prompt: string, completion: string] {
  const [{ tokens, supervised }] = toSegments(
    { messages: [ASKED, turn], ...(turn.tool_calls ? { tools } : {}) },
    t,
    "row 2",
  ) as [ReturnType<typeof toSegments>[0]];
  const start = supervised.indexOf(true);
  return [t.decode(tokens.slice(0, start)), t.decode(tokens.slice(start))];
}

const OPEN =
  /^row 2, turn 2 has no reasoning, and the prompt .* ends with ".*", which begins some\. Give the turn its reasoning_content/;
const CLOSED =
  /^row 2, turn 2 has reasoning, and the prompt .* ends with ".*", which leaves no place for any\. Leave the reasoning out/;

/** Of a template: the token that ends texts, what its variables are, a turn, and what is learned of it or why it is refused. */
const CASES: [file: string, eos: string, rendering: Rendering, turn: Turn, expected: string | RegExp][] = [
  ["Apriel-1.6-15b-Thinker-fixed", "<|end|>", {}, said(WHY), "9 is 2*4+1.\n[BEGIN FINAL RESPONSE]\nIt is.<|end|>"],
  ["Apriel-1.6-15b-Thinker-fixed", "<|end|>", {}, said(), OPEN],
  [
    "Apriel-1.6-15b-Thinker-fixed",
    "<|end|>",
    {},
    said({ content: "So.\n[BEGIN FINAL RESPONSE]\nIt is." }),
    "So.\n[BEGIN FINAL RESPONSE]\nIt is.<|end|>",
  ],
  [
    "Apriel-1.6-15b-Thinker-fixed",
    "<|end|>",
    {},
    { ...called, ...WHY },
    '9 is 2*4+1.\n[BEGIN FINAL RESPONSE]\n\n<tool_calls>[{"name": "odd", "arguments": {"n": 9}}]</tool_calls><|end|>',
  ],
  [
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
    "<|END_OF_TURN_TOKEN|>",
    {},
    said(),
    "<|START_RESPONSE|>It is.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
  ],
  ["CohereForAI-c4ai-command-r7b-12-2024-tool_use", "<|END_OF_TURN_TOKEN|>", {}, said(WHY), CLOSED],
  ["CohereForAI-c4ai-command-r7b-12-2024-tool_use", "<|END_OF_TURN_TOKEN|>", {}, { ...called, ...WHY }, CLOSED],
  [
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
    "<|END_OF_TURN_TOKEN|>",
    { chat_template_kwargs: { enable_thinking: true } },
    said(WHY),
    "<|START_THINKING|>9 is 2*4+1.<|END_THINKING|><|START_RESPONSE|>It is.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
  ],
  ["Cohere2MoE", "<|END_OF_TURN_TOKEN|>", {}, said(), OPEN],
  [
    "Cohere2MoE",
    "<|END_OF_TURN_TOKEN|>",
    {},
    said(WHY),
    "9 is 2*4+1.<|END_THINKING|><|START_TEXT|>It is.<|END_TEXT|><|END_OF_TURN_TOKEN|>",
  ],
  [
    "Cohere2MoE",
    "<|END_OF_TURN_TOKEN|>",
    { chat_template_kwargs: { reasoning: false } },
    said(),
    "<|START_TEXT|>It is.<|END_TEXT|><|END_OF_TURN_TOKEN|>",
  ],
  ["google-gemma-4-31B-it", "<turn|>", {}, said(), "It is.<turn|>"],
  ["google-gemma-4-31B-it", "<turn|>", {}, said(WHY), CLOSED],
  ["poolside-Laguna-XS.2", "</assistant>", {}, said(), "\nIt is.\n</assistant>"],
  ["poolside-Laguna-XS.2", "</assistant>", {}, said(WHY), CLOSED],
  ["deepseek-ai-DeepSeek-V3.2", "<｜end▁of▁sentence｜>", {}, said(), "It is.<｜end▁of▁sentence｜>"],
  ["GLM-4.7-Flash", "<|user|>", {}, said(), OPEN],
  ["GLM-4.7-Flash", "<|user|>", {}, said(WHY), "9 is 2*4+1.</think>It is.<|user|>"],
];

for (const [file, eos, rendering, turn, expected] of CASES)
  test(
    `${file}: ${JSON.stringify(rendering.chat_template_kwargs ?? {})} ${turn.reasoning_content ? "with" : "without"} reasoning${turn.tool_calls ? ", a call" : ""}: ${expected instanceof RegExp ? "refused" : "learned"}`,
    published,
    () => {
      const t = tokenizerOf(file, bundled(file), eos, rendering);
      if (expected instanceof RegExp)
        return assert.throws(() => learned(turn, t), { name: "DistillError", message: expected });
      const [prompt, completion] = learned(turn, t);
      assert.equal(completion, expected);
      assert.equal(prompt, t.render([ASKED], { generate: true, tools: turn.tool_calls ? tools : undefined }));
    },
  );

test("no template that has marks of its own for reasoning is taught those of another", published, () => {
  let marked = 0;
  for (const file of bundledNames()) {
    const template = bundled(file);
    const t = tokenizerOf(file, template, "<|done|>");
    if (template.includes("think>") || !marksOf(t.render)) continue;
    marked++;
    for (const turn of [said(), said(WHY), called, { ...called, ...WHY }])
      try {
        assert.doesNotMatch(learned(turn, t)[1], /<\/?think>/, file);
      } catch (error) {
        if ((error as Error).name !== "DistillError") throw error; // refused by name
      }
  }
  assert.ok(marked >= 4, `${marked}`);
});

test("marks are those of templates that write empty blocks, and of those that write reasoning with calls alone", () => {
  const chat = (turn: string) =>
    `{% for m in messages %}{{ '<|' + m.role + '|>' }}${turn}{{ '<|done|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`;
  const of = (name: string, turn: string) => marksOf(tokenizerOf(name, chat(turn), "<|done|>").render);
  const why = "{{ m.reasoning_content or '' }}";
  const block = `{% if m.role == 'assistant' %}[WHY]${why}[/WHY]{% endif %}`;
  assert.deepEqual(of("empty", `${block}{{ m.content }}`), { open: "[WHY]", close: "[/WHY]" });
  assert.deepEqual(of("filled", `{% if m.reasoning_content %}${block}{{ '\\n' }}{% endif %}{{ m.content }}`), {
    open: "[WHY]",
    close: "[/WHY]\n",
  });
  const call = "{% for c in m.tool_calls %}{{ '<call>' + c.function.name }}{% endfor %}";
  assert.deepEqual(
    of(
      "calls",
      `{% if m.tool_calls %}{% if m.reasoning_content %}${block}{% endif %}${call}{% else %}{{ m.content }}{% endif %}`,
    ),
    {
      open: "[WHY]",
      close: "[/WHY]",
    },
  );
  assert.equal(of("none", "{{ m.content }}"), undefined);
});

test("what ends a turn is the token that ends texts where several stand behind what is said", published, () => {
  const of = (file: string, eos: string) => {
    const t = tokenizerOf(file, bundled(file), eos);
    return t.stops.map(t.token);
  };
  assert.deepEqual(of("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "<|END_OF_TURN_TOKEN|>"), [
    "<|END_OF_TURN_TOKEN|>",
  ]);
  assert.deepEqual(of("microsoft-Phi-3.5-mini-instruct", "<|endoftext|>"), ["<|endoftext|>", "<|end|>"]);
});

test("a stop token that an answer brings along is there once", published, () => {
  const t = tokenizerOf("stops", bundled("Qwen-Qwen3-0.6B"), "<|im_end|>");
  for (const content of ["It is.<|im_end|>", "It is.<|im_end|>\n", "It is."])
    assert.equal(learned(said({ content }), t)[1], "It is.<|im_end|>");
  assert.throws(
    () => learned(said({ content: "It<|im_end|> is." }), t),
    /holds the stop token "<\|im_end\|>" before its end/,
  );
});
