import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toSegment } from "../../src/data/segments.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";

/** A tokenizer of single characters with ChatML's special tokens. */
function tokenizer(config: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
  const special = ["<s>", "<|im_start|>", "<|im_end|>", "<pad>"];
  const characters = [..."\nabcdefghijklmnopqrstuvwxyz? "];
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

const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

test("of prompt and completion only the completion is supervised, and a stop token after it", () => {
  const t = tokenizer();
  const { tokens, supervised } = toSegment({ prompt: "ab?", completion: "cd" }, t, "row 1");
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
  const { tokens, supervised } = toSegment({ messages }, t, "row 1");
  assert.equal(t.decode(tokens), t.render(messages, { generate: false }));
  assert.equal(t.decode(tokens.filter((_, i) => supervised[i])), "b<|im_end|>d<|im_end|>");
});

test("a token that is also the padding still teaches to stop", () => {
  const t = tokenizer({ pad_token: "<|im_end|>" });
  const { tokens, supervised } = toSegment({ prompt: "a", completion: "b" }, t, "row 1");
  assert.ok(tokens.at(-1) === t.eos && supervised.at(-1));
});

test("a text begins with exactly one BOS where the model has one", () => {
  const t = tokenizer({ bos_token: "<s>", add_bos_token: true });
  for (const prompt of ["ab", "<s>ab"]) {
    const { tokens } = toSegment({ prompt, completion: "c" }, t, "row 1");
    assert.equal(t.decode(tokens), "<s>abc<|im_end|>");
  }
  assert.throws(
    () => toSegment({ prompt: "a<s>b", completion: "c" }, t, "row 1"),
    /row 1 has the token that begins a text 2 times/,
  );
});

test("a template that writes training text unlike inference text is refused", () => {
  const t = tokenizer({ chat_template: CHATML.replace("assistant\n{% endif", "assistant\nthink {% endif") });
  const messages = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  assert.throws(() => toSegment({ messages }, t, "row 7"), /row 7: the chat template writes turn 2 differently/);
});

test("a row with nothing to learn is refused", () => {
  const t = tokenizer({ chat_template: CHATML });
  assert.throws(
    () => toSegment({ messages: [{ role: "user", content: "a" }] }, t, "row 2"),
    /row 2 has nothing to learn/,
  );
});
