import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { allOf } from "../../src/data/example-store.ts";
import { readExamples } from "../../src/data/examples.ts";
import { rowsOf, unpacked } from "../../src/data/packing.ts";
import type { TrainingRow } from "../../src/data/rows.ts";
import { toSegments } from "../../src/data/segments.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { allRows } from "../support/rows.ts";

/** A tokenizer of single characters with ChatML's special tokens. */
function tokenizer(config: object = {}, alphabet = "\nabcdefghijklmnopqrstuvwxyz? ") {
  const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
  const special = ["<s>", "<|im_start|>", "<|im_end|>", "<pad>"];
  const characters = [...alphabet];
  const vocab = Object.fromEntries([...special, ...characters].map((token, i) => [token, i]));
  const added = special.map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const model = { type: "BPE", vocab, merges: [], unk_token: null, fuse_unk: false, byte_fallback: false };
  const json = {
    version: "1.0",
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" },
    model,
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(json));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast", eos_token: "<|im_end|>", ...config }),
  );
  return loadTokenizer(folder);
}

/** The segment of a row that makes one. */
function only(...row: Parameters<typeof toSegments>) {
  const [segment, ...others] = toSegments(...row);
  assert.equal(others.length, 0);
  return segment!;
}

const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

test("of prompt and completion only the completion is supervised, and a stop token after it", () => {
  const t = tokenizer();
  const { tokens, supervised } = only({ prompt: "ab?", completion: "cd" }, t, "row 1");
  assert.equal(t.decode(tokens), "ab?cd<|im_end|>");
  assert.deepEqual(supervised, [false, false, false, true, true, true]);
  assert.equal(tokens.at(-1), t.eos);
});

test("of messages the turns of the assistant are supervised up to their stop token", () => {
  const t = tokenizer({ chat_template: CHATML });
  const messages = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
    { role: "user", content: "c" },
    { role: "assistant", content: "d" },
  ];
  const { tokens, supervised } = only({ messages }, t, "row 1");
  assert.equal(`${t.decode(tokens)}\n`, t.render(messages, { generate: false }));
  assert.equal(t.decode(tokens.filter((_, i) => supervised[i])), "b<|im_end|>d<|im_end|>");
});

test("a token that is also the padding still teaches to stop", () => {
  const t = tokenizer({ pad_token: "<|im_end|>" });
  const { tokens, supervised } = only({ prompt: "a", completion: "b" }, t, "row 1");
  assert.ok(tokens.at(-1) === t.eos && supervised.at(-1));
});

test("a text begins with exactly one BOS where the model has one", () => {
  const t = tokenizer({ bos_token: "<s>", add_bos_token: true });
  for (const prompt of ["ab", "<s>ab"]) {
    const { tokens } = only({ prompt, completion: "c" }, t, "row 1");
    assert.equal(t.decode(tokens), "<s>abc<|im_end|>");
  }
  assert.throws(
    () => toSegments({ prompt: "a<s>b", completion: "c" }, t, "row 1"),
    /row 1 has the token that begins a text, "<s>", 2 times/,
  );
});

test("a row with nothing to learn is refused", () => {
  const t = tokenizer({ chat_template: CHATML });
  assert.throws(
    () => toSegments({ messages: [{ role: "user", content: "a" }] }, t, "row 2"),
    /row 2 has nothing to learn/,
  );
});

const THINKING = "abcdefghijklmnopqrstuvwxyz<>/?|\n";
const REFUSED: [what: string, row: TrainingRow, message: RegExp][] = [
  ["an empty completion", { prompt: "a", completion: "" }, /row 3 has nothing to learn: its completion is empty/],
  ["no prompt", { prompt: "", completion: "b" }, /row 3 has no prompt, not even a first token/],
  [
    "a stop token before the end",
    { prompt: "a", completion: "b<|im_end|>c" },
    /row 3: the completion holds the stop token "<\|im_end\|>" before its end/,
  ],
  [
    "a think block that stays open",
    { prompt: "a", completion: "<think>b" },
    /row 3: the completion opens a think block and never closes it\. Expected one closed block or none/,
  ],
  [
    "a think block that was never opened",
    { prompt: "a", completion: "b</think>c" },
    /row 3: the completion closes a think block that it never opened/,
  ],
  [
    "two think blocks",
    { prompt: "a", completion: "<think>b</think><think>c</think>" },
    /row 3: the completion has 2 think blocks, or parts of them/,
  ],
  [
    "a think block inside out",
    { prompt: "a", completion: "</think>b<think>" },
    /row 3: the completion closes its think block before it opens it/,
  ],
];

for (const [what, row, message] of REFUSED)
  test(`${what} is refused with the row`, () => {
    assert.throws(() => toSegments(row, tokenizer({}, THINKING), "row 3"), message);
  });

test("one closed think block is learned, and so is the rest of one that the prompt opens", () => {
  const t = tokenizer({}, THINKING);
  const written = (row: TrainingRow) => {
    const { tokens, supervised } = only(row, t, "row 1");
    return t.decode(tokens.filter((_, i) => supervised[i]));
  };
  assert.equal(written({ prompt: "a", completion: "<think>b</think>c" }), "<think>b</think>c<|im_end|>");
  assert.equal(written({ prompt: "a<think>", completion: "b</think>c" }), "b</think>c<|im_end|>");
  assert.equal(written({ prompt: "a<think>", completion: "<think>b</think>c" }), "b</think>c<|im_end|>");
});

test("a stop token that the completion brings along is not doubled, and white space behind it is nothing", () => {
  const t = tokenizer();
  for (const completion of ["b", "b<|im_end|>", "b<|im_end|>\n"])
    assert.equal(t.decode(only({ prompt: "a", completion }, t, "row 1").tokens), "ab<|im_end|>");
});

test("what was cut at a limit of tokens is refused, and reasoning beside the content is a key of its turn", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rows-"));
  const path = join(folder, "rows.jsonl");
  writeFileSync(path, '{"prompt":"a","completion":"b"}\n{"prompt":"a","completion":"b","finish_reason":"length"}\n');
  const cut = (await allRows(path))[1]!;
  assert.match("fault" in cut ? cut.fault : "", /rows\.jsonl, line 2 was cut at a limit of tokens/);
  const turn = { role: "assistant", content: "b", reasoning_content: "a" };
  writeFileSync(path, JSON.stringify({ messages: [{ role: "user", content: "a" }, turn] }));
  const [read] = await allRows(path);
  assert.deepEqual(read && "row" in read && read.row, { messages: [{ role: "user", content: "a" }, turn] });
});

test("an example that is longer than a row is left out whole or refused, never cut", async () => {
  const t = tokenizer();
  const path = join(mkdtempSync(join(tmpdir(), "rows-")), "rows.jsonl");
  const rows = ["aaa", "bb".repeat(20), "cc"].map((completion) => JSON.stringify({ prompt: "a", completion }));
  writeFileSync(path, rows.join("\n"));
  const examples = await readExamples({ path }, t, { max_length: 8, overlength: "drop" });
  assert.deepEqual(
    allOf(examples!.dropped).map(({ row, tokens }) => [row, tokens.length]),
    [[2, 42]],
  );
  for (const packing of [true, false]) {
    const packed = rowsOf(examples!.segments, { packing, max_length: 8 }).map((row) =>
      unpacked(examples!.segments, row),
    );
    const whole = packed.flat().sort((a, b) => a.row! - b.row!);
    assert.deepEqual(
      whole.map(({ tokens }) => t.decode(tokens)),
      ["aaaa<|im_end|>", "acc<|im_end|>"],
    );
    const { supervised } = layOut(packed, batchShape(packed.length, 8, t.size));
    assert.equal(supervised.length, 4 + 3, "every supervised token, the stop token with it, has its place");
  }
  await assert.rejects(
    readExamples({ path }, t, { max_length: 8, overlength: "error" }),
    /rows\.jsonl, row 2 has 42 tokens, and max_length is 8/,
  );
});

test("the loss is computed in pieces of 16 MiB, of more where that is less than 512 tokens, of at most 128 MiB", () => {
  const tokensOf = (vocab: number) => 4096 / batchShape(4, 1024, vocab).chunks;
  assert.equal(tokensOf(4096), 1024); // 16 MiB
  assert.equal(tokensOf(49152), 512); // 96 MiB: SmolLM2's
  assert.ok(tokensOf(151936) <= 220 && tokensOf(151936) > 200); // 128 MiB: Qwen2.5's
});
