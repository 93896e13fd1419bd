import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TrainingRow } from "../../src/data/rows.ts";
import { type TrainOn, toSegments } from "../../src/data/segments.ts";
import { loadTokenizer, type Rendering, type Tokenizer } from "../../src/data/tokenizer.ts";
import type { Turn } from "../../src/data/turns.ts";
import { whyNoBundle, writeChatTokenizer } from "../support/chat-templates.ts";
import { scratch } from "../support/students.ts";
import { BYTE_LEVEL, writeTokenizer } from "../support/tokenizers.ts";

const folder = scratch();
const tokenizerOf = (name: string, rendering: Rendering = {}, config?: object) =>
  loadTokenizer(writeChatTokenizer(join(folder, name), name, config), undefined, rendering);

/** Training text, « and » around what is learned. */
function marked(row: TrainingRow, t: Tokenizer, trainOn?: TrainOn): string[] {
  return toSegments(row, t, "row 1", trainOn).map(({ tokens, supervised }) => {
    let text = "";
    for (let start = 0; start < tokens.length; ) {
      let end = start;
      while (end < tokens.length && supervised[end] === supervised[start]) end++;
      const part = t.decode(tokens.slice(start, end));
      text += supervised[start] ? `«${part}»` : part;
      start = end;
    }
    return text;
  });
}

const user = (content: string): Turn => ({ role: "user", content });
const said = (content: string | null, more: Partial<Turn> = {}): Turn => ({ role: "assistant", content, ...more });
const calls = (name: string, args: object, text?: string): Partial<Turn> => ({
  tool_calls: [{ type: "function", function: { name, arguments: args, ...(text ? { text } : {}) } }],
});
const tools = [{ type: "function", function: { name: "halve", parameters: { type: "object" } } }];
const CALLED = [
  user("Halve 4."),
  said("Now.", calls("halve", { n: 4, exactly: true })),
  { role: "tool", content: "2" },
  said("It is 2."),
];

const published = { skip: whyNoBundle ?? false };

test("calls are learned as the template writes them, and what tools gave is not", published, () => {
  const t = tokenizerOf("Qwen3 0.6B");
  const [text, ...others] = marked({ messages: CALLED, tools }, t);
  assert.equal(others.length, 0);
  const whole = t.render(CALLED, { generate: false, tools });
  assert.equal(text!.replace(/[«»]/g, ""), whole.replace("<think>\n\n</think>\n\n", "").trimEnd());
  assert.deepEqual(
    [...text!.matchAll(/«([^»]*)»/g)].map(([, learned]) => learned),
    [
      'Now.\n<tool_call>\n{"name": "halve", "arguments": {"n": 4, "exactly": true}}\n</tool_call><|im_end|>',
      "It is 2.<|im_end|>",
    ],
  );
  assert.match(text!, /<tools>\n\{"type": "function", "function": \{"name": "halve"/);
});

test("a turn that is only a call is learned", published, () => {
  const messages = [user("Halve 4."), said(null, calls("halve", { n: 4 }))];
  const [qwen] = marked({ messages, tools }, tokenizerOf("Qwen3 0.6B"));
  assert.match(
    qwen!,
    /assistant\n«<tool_call>\n\{"name": "halve", "arguments": \{"n": 4\}\}\n<\/tool_call><\|im_end\|>»$/,
  );
});

test("arguments are text where a template puts them there as text, the given one where there is one", () => {
  const chat_template =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content or '') }}{% for c in m.tool_calls or [] %}{{ '[' + c.function.name + ' ' + c.function.arguments + ']' }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  const t = tokenizerOf("SmolLM2", { chat_template });
  const of = (text?: string) =>
    marked({ messages: [user("Halve 4."), said(null, calls("halve", { n: 4, of: ["é"] }, text))] }, t)[0]!;
  assert.match(of(), /assistant\n«\[halve \{"n": 4, "of": \["é"\]\}\]<\|im_end\|>»$/);
  assert.match(of('{ "n":4 }'), /assistant\n«\[halve \{ "n":4 \}\]<\|im_end\|>»$/);
});

test("what a template would leave out is refused, with its turn", published, () => {
  const qwen = tokenizerOf("Qwen3 0.6B");
  const gemma = tokenizerOf("Gemma 3");
  const r1 = tokenizerOf("R1-Distill-Llama 8B");
  const refused = (row: TrainingRow, t: Tokenizer, sentence: RegExp) =>
    assert.throws(() => toSegments(row, t, "row 7"), { name: "DistillError", message: sentence });
  const strange = { role: "critic", content: "Hm." };
  refused(
    { messages: [user("a"), strange, said("b")] },
    qwen,
    /^row 7, turn 2 \(critic\) is not in the text that the chat template writes/,
  );
  refused({ messages: [user("a"), said("a"), strange, user("a"), said("b")] }, qwen, /^row 7, turn 3 \(critic\)/);
  refused({ messages: CALLED.slice(0, 2) }, gemma, /^row 7, turn 2 calls tools, and the chat template writes no calls/);
  refused(
    { messages: [user("a"), said("b")], tools },
    gemma,
    /^row 7 has the tool "halve", and the chat template writes no tools/,
  );
  refused({ messages: [user("a"), said("<think>\nc\n</think>\n\nb")], tools }, r1, /^row 7 has the tool "halve"/);
  refused(
    { messages: [user("a"), user("b"), said("c")] },
    gemma,
    /^row 7: The chat template of .* cannot write these messages: .*alternate/,
  );
});

test("turns that are not to be learned are context", () => {
  const t = tokenizerOf("SmolLM2", { chat_template: undefined });
  const messages = [user("a"), said("b"), user("c"), said("d")];
  const of = (learn: (boolean | undefined)[], trainOn?: TrainOn) => marked({ messages, learn }, t, trainOn)[0]!;
  assert.match(of([undefined, false, undefined, true]), /assistant\nb<\|im_end\|>\n.*assistant\n«d<\|im_end\|>»$/s);
  assert.match(of([], "last"), /assistant\nb<\|im_end\|>\n.*assistant\n«d<\|im_end\|>»$/s);
  assert.match(of([]), /assistant\n«b<\|im_end\|>»\n.*assistant\n«d<\|im_end\|>»$/s);
  assert.match(of([], "all"), /^<\|im_start\|>«system\n.*assistant\nb<\|im_end\|>\n.*d<\|im_end\|>»$/s);
  assert.match(marked({ messages: messages.slice(0, 3) }, t, "all")[0]!, /user\nc<\|im_end\|>»$/);
  assert.throws(() => of([undefined, undefined, undefined, false], "last"), /row 1 has nothing to learn/);
  const greeted = toSegments({ messages: [said("Hello."), ...messages] }, t, "row 1");
  assert.deepEqual([greeted.length, greeted[0]!.unasked], [1, true]);
  assert.match(
    marked({ messages: [said("Hello."), ...messages] }, t)[0]!,
    /assistant\nHello\.<\|im_end\|>\n.*assistant\n«b/s,
  );
  assert.throws(() => of([false, false, false, false]), /row 1 has nothing to learn: no token is supervised/);
});

test("a pair is rendered for a student with a chat template as it is asked, and bare where the recipe says so", () => {
  const pair = { prompt: "1+1?", completion: "2" };
  const t = tokenizerOf("Qwen2.5");
  const asked = t.render([user("1+1?")], { generate: true });
  assert.deepEqual(marked(pair, t), [`${asked}«2<|im_end|>»`]);
  assert.deepEqual(
    marked({ ...pair, system: "Be brief." }, t),
    marked({ messages: [{ role: "system", content: "Be brief." }, user("1+1?"), said("2")] }, t),
  );
  const plain = tokenizerOf("Qwen2.5", { chat_template: "plain" });
  assert.deepEqual(marked(pair, plain), [`1+1?«2${plain.token(plain.eos)}»`]);
  const rendered = { prompt: asked, completion: "2" };
  assert.throws(
    () => toSegments(rendered, t, "row 2"),
    /^DistillError: row 2 has a prompt with the special token "<\|im_(start|end)\|>", as if it were rendered already.*chat_template: plain\.$/,
  );
  assert.deepEqual(marked(rendered, plain), [`${asked}«2${plain.token(plain.eos)}»`]);
});

test("a system text is refused where nothing says it", () => {
  writeTokenizer(join(folder, "bare"), { characters: [..."ab"] });
  const t = loadTokenizer(join(folder, "bare"));
  assert.deepEqual(marked({ prompt: "a", completion: "b" }, t), ["a«b<eos>»"]);
  assert.throws(
    () => toSegments({ prompt: "a", completion: "b", system: "a" }, t, "row 3"),
    /row 3 has a column "system", and the student no chat template/,
  );
  assert.throws(
    () => toSegments({ messages: [user("a"), said("b")] }, t, "row 3"),
    /row 3: .* has no chat template, and the dataset has messages/,
  );
});

test("texts are learned from their first token on, and tokens as their mask says", () => {
  const t = tokenizerOf("R1-Distill-Qwen");
  assert.deepEqual(marked({ text: "abc" }, t), ["<｜begin▁of▁sentence｜>«abc<｜end▁of▁sentence｜>»"]);
  assert.deepEqual(toSegments({ tokens: [5, 6], supervised: [false, true] }, t, "row"), [
    { tokens: [5, 6], supervised: [false, true] },
  ]);
  assert.throws(
    () => toSegments({ tokens: [5, 99_999], supervised: [false, true] }, t, "row 4"),
    /row 4 has a token id of 99999; the tokenizer has \d+/,
  );
  assert.throws(
    () => toSegments({ tokens: [5, 6], supervised: [false, false] }, t, "row 4"),
    /row 4 has nothing to learn/,
  );
  assert.throws(() => toSegments({ text: "" }, t, "row 4"), /row 4 has nothing to learn: its text is empty/);
});

test("reasoning that the answer holds as well is learned", published, () => {
  const t = tokenizerOf("Qwen2.5");
  const [text] = marked({ messages: [user("2+2?"), said("The answer is 4", { reasoning_content: "4" })] }, t);
  assert.match(text!, /«<think>\n4\n<\/think>\n\nThe answer is 4<\|im_end\|>»$/);
});

test("calls are written by templates of their own kind: with tools alone, and as XML", () => {
  const chatml = (calls: string) =>
    `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content or '') }}${calls}{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`;
  const xml = chatml(
    "{% for c in m.tool_calls or [] %}{{ '<' + c.function.name + '>' }}{% for key, value in c.function.arguments.items() %}{{ '<' + key + '>' + value | string + '</' + key + '>' }}{% endfor %}{% endfor %}",
  );
  const messages = [user("Halve 4."), said("Now.", calls("halve", { n: 4 }))];
  const [text] = marked({ messages }, tokenizerOf("SmolLM2", { chat_template: xml }));
  assert.match(text!, /«Now\.<halve><n>4<\/n><\|im_end\|>»$/);
  const place = join(folder, "named tools");
  const named = [
    { name: "default", template: chatml("") },
    {
      name: "tool_use",
      template: `{{ tools | tojson }}${chatml("{% for c in m.tool_calls or [] %}{{ c | tojson }}{% endfor %}")}`,
    },
  ];
  const t = loadTokenizer(writeChatTokenizer(place, "SmolLM2", { chat_template: named }));
  assert.match(marked({ messages, tools }, t)[0]!, /«Now\.\{.*"halve".*\}<\|im_end\|>»$/);
  assert.throws(
    () => toSegments({ messages }, t, "row 1"),
    /row 1, turn 2 calls tools, and the chat template writes no calls/,
  );
});

test("variables of a template are set in it, so that every program that renders it says the same", published, () => {
  const t = tokenizerOf("Qwen3 0.6B", { chat_template_kwargs: { enable_thinking: false } });
  assert.match(t.template!, /^\{%- set enable_thinking = false -%\}\{\{ '' \}\}/);
  assert.ok(t.render([user("a")], { generate: true }).endsWith("assistant\n<think>\n\n</think>\n\n"));
  const [text] = marked({ messages: [user("a"), said("b")] }, t);
  assert.match(text!, /<think>\n\n<\/think>\n\n«b<\|im_end\|>»$/);
  const again = loadTokenizer(writeChatTokenizer(join(folder, "again"), "Qwen3 0.6B", { chat_template: t.template }));
  assert.equal(again.render([user("a")], { generate: true }), t.render([user("a")], { generate: true }));
  assert.throws(
    () => loadTokenizer(join(folder, "bare"), undefined, { chat_template_kwargs: { enable_thinking: true } }),
    /chat_template_kwargs are for a chat template, and .*bare has none/,
  );
  assert.throws(
    () => tokenizerOf("Qwen2.5", { chat_template: "chatml" }),
    /Unknown chat_template "chatml"\. Expected one of: plain, r1, or a Jinja text/,
  );
});

test("the chat template is looked for as transformers does", () => {
  const of = (name: string, chat_template: unknown, file?: string) => {
    const place = join(folder, name);
    writeTokenizer(place, { characters: [..."abfdt"], config: { chat_template } });
    if (file !== undefined) writeFileSync(join(place, "chat_template.jinja"), file);
    return loadTokenizer(place);
  };
  const text = (t: Tokenizer, tools?: object[]) => t.render([user("a")], { generate: true, tools });
  const named = [
    { name: "default", template: "d" },
    { name: "tool_use", template: "t" },
    { name: "rag", template: "r" },
  ];
  assert.equal(text(of("file", "b", "f")), "f");
  assert.equal(text(of("file and names", named, "f")), "f");
  assert.equal(text(of("config", "b")), "b");
  assert.equal(text(of("names", named)), "d");
  assert.equal(text(of("names", named), [{}]), "t");
  mkdirSync(join(folder, "beside/additional_chat_templates"), { recursive: true });
  writeFileSync(join(folder, "beside/additional_chat_templates/tool_use.jinja"), "t");
  assert.deepEqual([text(of("beside", null, "f")), text(of("beside", null, "f"), [{}])], ["f", "t"]);
  assert.equal(text(of("one name", named.slice(0, 1)), [{}]), "d");
  assert.equal(of("null", null).template, undefined);
  assert.throws(
    () => of("no default", named.slice(1)),
    /has the chat templates tool_use, rag, and none called default/,
  );
});

/** SentencePiece's way of Llama 2's: a blank in front of the text, and blanks as ▁. */
const DUMMY_PREFIX = {
  characters: [..."▁\nHelo1+=2abc"],
  words: ["▁1", "=2", "Hello", "▁Hello"],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
};

test("a completion is the tokens of the whole text behind the boundary, which is said where it falls inside one", () => {
  const place = join(folder, "llama 2");
  writeTokenizer(place, {
    ...DUMMY_PREFIX,
    words: ["▁1", "Hello", "▁Hello"],
    added: [
      ["</s>", true],
      ["<s>", true],
      ["<|assistant|>", true],
    ],
  });
  const t = loadTokenizer(place);
  const learned = (prompt: string, completion: string) => {
    const [{ tokens, supervised, split }] = toSegments({ prompt, completion }, t, "row") as [
      ReturnType<typeof toSegments>[0],
    ];
    return { tokens: tokens.filter((_, i) => supervised[i]).map(t.token), split: split ?? false };
  };
  assert.deepEqual(learned("1+1=", "2"), { tokens: ["2", "</s>"], split: false });
  assert.deepEqual(learned("<|assistant|>\n", "Hello"), { tokens: ["Hello", "</s>"], split: false });
  assert.deepEqual(learned("1+1= ", "2"), { tokens: ["2", "</s>"], split: false });

  const joined = join(folder, "joined");
  writeTokenizer(joined, { ...DUMMY_PREFIX, added: [["</s>", true]] });
  const merging = loadTokenizer(joined);
  const [cut] = toSegments({ prompt: "1+1=", completion: "2" }, merging, "row");
  assert.equal(cut!.split, true);
  assert.deepEqual(cut!.tokens.map(merging.token), ["▁1", "+", "1", "=", "2", "</s>"]);
});

test("a token that begins texts may be the one that ends them, and stand before each turn", () => {
  const place = join(folder, "gpt2");
  writeTokenizer(place, {
    characters: [..."ab "],
    added: [["<|endoftext|>", true]],
    config: { bos_token: "<|endoftext|>", add_bos_token: true },
  });
  assert.deepEqual(marked({ prompt: "a", completion: "b" }, loadTokenizer(place)), ["<|endoftext|>a«b<|endoftext|>»"]);

  const llama = join(folder, "llama 2 chat");
  const template =
    "{% for message in messages %}{% if message.role == 'user' %}{{ bos_token + '[INST] ' + message.content | trim + ' [/INST]' }}{% else %}{{ ' ' + message.content | trim + ' ' + eos_token }}{% endif %}{% endfor %}";
  writeTokenizer(llama, {
    characters: [..."Ġabcd []/INST"],
    pre_tokenizer: BYTE_LEVEL,
    added: [
      ["</s>", true],
      ["<s>", true],
    ],
    config: { bos_token: "<s>", add_bos_token: true, chat_template: template },
  });
  const t = loadTokenizer(llama);
  const messages = [user("a"), said("b"), user("c"), said("d")];
  assert.deepEqual(marked({ messages }, t), ["<s>[INST] a [/INST]« b </s>»<s>[INST] c [/INST]« d </s>»"]);
  assert.throws(
    () => toSegments({ messages: [user("a<s>"), said("b")] }, t, "row 5"),
    /row 5, turn 1 holds "<s>", the token that begins a text/,
  );
});

test("a template is given the tokenizer's other special tokens where it reads them, as transformers gives them", () => {
  const place = join(folder, "other tokens");
  const config = {
    pad_token: { content: "[pad]" },
    unk_token: "[?]",
    chat_template: "{{ pad_token }}{{ messages[0].content }}{{ sep_token }}",
  };
  writeTokenizer(place, { characters: [..."ab"], config });
  assert.equal(loadTokenizer(place).render([user("a")], { generate: true }), "[pad]a");
  assert.match(loadTokenizer(place).template!, /^\{%- set pad_token = "\[pad\]" -%\}\{\{ '' \}\}\{\{ pad_token/);
});

test("reasoning that a template leaves out is not lost where all that it writes is learned", () => {
  const t = tokenizerOf("R1-Distill-Qwen");
  const messages = [user("a"), said("b", { reasoning_content: "c" })];
  assert.match(marked({ messages }, t)[0]!, /«c\n<\/think>\n\nb/);
  assert.throws(
    () => marked({ messages }, t, "all"),
    /row 1, turn 2 has reasoning, which the chat template does not write/,
  );
});

test("a document ends with the token that ends texts, a conversation with that of a turn", () => {
  const t = tokenizerOf("SmolLM2", {}, { eos_token: "<|endoftext|>" });
  assert.notEqual(t.eos, t.endOfTurn);
  assert.ok(marked({ text: "abc" }, t)[0]!.endsWith(`c${t.token(t.eos)}»`));
  assert.ok(marked({ text: `abc${t.token(t.endOfTurn)}` }, t)[0]!.endsWith(`c${t.token(t.endOfTurn)}»`));
  assert.ok(marked({ messages: [user("a"), said("b")] }, t, "all")[0]!.endsWith(`b${t.token(t.endOfTurn)}»`));
});
