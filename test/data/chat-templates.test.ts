import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Message } from "../../src/core/trace.ts";
import { toSegments } from "../../src/data/segments.ts";
import { loadTokenizer, type Tokenizer } from "../../src/data/tokenizer.ts";
import { TEMPLATES, whyNoBundle, writeChatTokenizer } from "../support/chat-templates.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const tokenizers = new Map<string, Tokenizer>();
const tokenizerOf = (name: string) => {
  const known = tokenizers.get(name) ?? loadTokenizer(writeChatTokenizer(join(folder, name), name));
  tokenizers.set(name, known);
  return known;
};

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });
const system: Message = { role: "system", content: "Think." };
const FIRST = "<think>\nHalf of 36 is 18.\n</think>\n\nIt is 18.";
const SECOND = "<think>\nTwice that.\nSo 36.\n</think>\n\n**36**\n\nDone.";
const THOUGHT: Message[] = [user("Half of 36?"), assistant(FIRST), user("  And twice? "), assistant(SECOND)];
const PLAIN: Message[] = [user("Half of 36?"), assistant("18"), user("And twice?"), assistant("36")];
const closes = (text: string) => text.replace("<think>\n", "");

/** Templates whose prompt ends with a think block: open, or closed. */
const PREFILLED: Record<string, string> = {
  "R1-Distill-Qwen": "<think>\n",
  "Qwen3 without thinking": "<think>\n\n</think>\n\n",
  "R1-Distill-Llama 8B": "<think>\n",
  "R1-Distill-Qwen 32B": "<think>\n</think>",
};
/** Templates that write an earlier answer other than it was given. */
const REWRITING = [
  "Qwen3",
  "Qwen3 0.6B",
  "R1-Distill-Qwen",
  "R1-Distill-Qwen before its think tag",
  "R1-Distill-Llama 8B",
];

test(
  "the templates that Qwen 3 and R1-Distill were published with write a question thus",
  { skip: whyNoBundle ?? false },
  () => {
    const asked = (name: string) => tokenizerOf(name).render(THOUGHT.slice(0, 3), { generate: true });
    const R1 = "<｜begin▁of▁sentence｜><｜User｜>Half of 36?<｜Assistant｜>\n\nIt is 18.<｜end▁of▁sentence｜>";
    assert.equal(
      asked("Qwen3 0.6B"),
      "<|im_start|>user\nHalf of 36?<|im_end|>\n<|im_start|>assistant\nIt is 18.<|im_end|>\n" +
        "<|im_start|>user\n  And twice? <|im_end|>\n<|im_start|>assistant\n",
    );
    assert.equal(asked("R1-Distill-Llama 8B"), `${R1}<｜User｜>  And twice? <｜Assistant｜><think>\n`);
    assert.equal(asked("R1-Distill-Qwen 32B"), `${R1}<｜User｜>  And twice? <｜Assistant｜><think>\n</think>`);
  },
);

/** The supervised parts of segments, each with the text before it. */
function learned(row: Message[], t: Tokenizer): { before: string; written: string; tokens: readonly number[] }[] {
  return toSegments({ messages: row }, t, "row 1").flatMap(({ tokens, supervised }) =>
    tokens.flatMap((_, end) => {
      if (!supervised[end] || supervised[end + 1]) return [];
      const start = supervised.lastIndexOf(false, end) + 1;
      const before = tokens.slice(0, start);
      return [{ before: t.decode(before), written: t.decode(tokens.slice(start, end + 1)), tokens: before }];
    }),
  );
}

for (const name of TEMPLATES) {
  const prefilled = PREFILLED[name] ?? "";
  const thinks = !prefilled.includes("</think>");

  test(`${name}: the training text is inference's prompt, the completion and a stop token`, () => {
    const t = tokenizerOf(name);
    for (const opening of [[], [system]])
      for (const row of [...(thinks ? [THOUGHT, THOUGHT.slice(0, 2)] : []), ...(prefilled && thinks ? [] : [PLAIN])]) {
        const messages = [...opening, ...row];
        const turns = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
        const parts = learned(messages, t);
        assert.equal(parts.length, turns.length);
        turns.forEach((i, part) => {
          const prompt = t.render(messages.slice(0, i), { generate: true });
          const { before, written, tokens } = parts[part]!;
          const ids = t.encode(prompt);
          assert.deepEqual(tokens, t.bos === undefined || ids[0] === t.bos ? ids : [t.bos, ...ids]);
          assert.ok(before.endsWith(prompt) || t.decode(ids) === before, before);
          assert.ok(prompt.endsWith(prefilled));
          const completion = messages[i]!.content;
          assert.equal(written, (thinks ? completion.slice(prefilled.length) : completion) + t.token(t.endOfTurn));
        });
      }
  });

  test(`${name}: a conversation is one example where the template leaves earlier answers as they were`, () => {
    const t = tokenizerOf(name);
    if (thinks) assert.equal(toSegments({ messages: THOUGHT }, t, "row").length, REWRITING.includes(name) ? 2 : 1);
    if (prefilled) return;
    const [whole, ...others] = toSegments({ messages: PLAIN }, t, "row");
    assert.equal(others.length, 0);
    // which is then what the template itself writes, up to the stop token
    const training = t.decode(t.encode(t.render(PLAIN, { generate: false })));
    if (!name.startsWith("Qwen3")) assert.ok(training.startsWith(t.decode(whole!.tokens)), training);
  });
}

test("reasoning that a template strips from training text is learned all the same", () => {
  for (const name of REWRITING.filter((name) => name.startsWith("R1"))) {
    const t = tokenizerOf(name);
    assert.doesNotMatch(t.render(THOUGHT.slice(0, 2), { generate: false }), /Half of 36 is 18/);
    assert.match(learned(THOUGHT.slice(0, 2), t)[0]!.written, /Half of 36 is 18\.\n<\/think>\n\nIt is 18\./);
  }
  const t = tokenizerOf("Qwen3");
  assert.doesNotMatch(t.render(THOUGHT, { generate: false }), /Half of 36 is 18/);
  assert.match(learned(THOUGHT, t)[0]!.written, /^<think>\nHalf of 36 is 18/);
  assert.doesNotMatch(learned(THOUGHT, t)[1]!.before, /Half of 36 is 18/);
});

test("a think tag that the prompt ends with is written once, however the completion begins", () => {
  const t = tokenizerOf("R1-Distill-Qwen");
  for (const content of [FIRST, closes(FIRST), FIRST.replace("<think>\n", "<think>"), `\n${FIRST}`]) {
    const [part] = learned([user("Half of 36?"), assistant(content)], t);
    assert.equal(
      part!.before + part!.written,
      learned([user("Half of 36?"), assistant(FIRST)], t)[0]!.before + closes(FIRST) + t.token(t.eos),
      content,
    );
  }
});

test("an answer without thought behind a prompt that opens a think block is refused", () => {
  const messages = [user("Half of 36?"), assistant("18")];
  assert.throws(
    () => toSegments({ messages }, tokenizerOf("R1-Distill-Qwen"), "row 4"),
    /row 4: the prompt opens a think block, and the completion neither fills nor closes it\. Give/,
  );
  assert.throws(
    () => toSegments({ messages: THOUGHT }, tokenizerOf("Qwen3 without thinking"), "row 5"),
    /row 5: the prompt ends with a closed think block, and the completion has one of its own\. Leave the reasoning out/,
  );
});

test("a template that writes the date writes the same one on every day", () => {
  const text = tokenizerOf("Llama 3.2").render(PLAIN, { generate: true });
  assert.match(text, /Today Date: 26 Jul 2024\n/);
});

test("a turn ends with the token that the template writes, where that is not the one that ends a text", () => {
  const name = "Gemma 3";
  const t = loadTokenizer(writeChatTokenizer(join(folder, "gemma-eos"), name, { eos_token: "<eos>" }));
  assert.deepEqual(t.stops.map(t.token), ["<eos>", "<end_of_turn>"]);
  const [segment] = toSegments({ messages: PLAIN.slice(0, 2) }, t, "row");
  assert.equal(t.token(segment!.tokens.at(-1)!), "<end_of_turn>");
  const [pair] = toSegments({ prompt: "a", completion: "b" }, t, "row");
  assert.equal(t.token(pair!.tokens.at(-1)!), "<end_of_turn>");
});

test(
  "templates are rendered as transformers renders them",
  { skip: !existsSync(".venv/bin/python") && "there is no .venv with Python's transformers" },
  () => {
    const jobs = TEMPLATES.flatMap((name) => {
      const { folder: place } = tokenizerOf(name);
      const config = JSON.parse(readFileSync(join(place, "tokenizer_config.json"), "utf8"));
      const text = (token: string | { content: string } | null) =>
        typeof token === "string" ? token : (token?.content ?? "");
      return [THOUGHT, PLAIN, THOUGHT.slice(0, 1), [system, ...PLAIN]].flatMap((messages) =>
        [true, false].map((generate) => ({
          name,
          template: config.chat_template as string,
          bos: text(config.bos_token),
          eos: text(config.eos_token),
          messages,
          generate,
        })),
      );
    });
    const input = JSON.stringify(jobs);
    const output = execFileSync(".venv/bin/python", ["test/reference/chat_templates.py"], { input, encoding: "utf8" });
    const theirs = JSON.parse(output) as string[];
    for (const [i, { name, messages, generate }] of jobs.entries())
      assert.equal(tokenizerOf(name).render(messages, { generate }), theirs[i], name);
  },
);
