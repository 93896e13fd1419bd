import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../src/core/random.ts";
import { type Asked, answerIn, sameModel } from "../../../src/teachers/openai/answer.ts";
import { assemble } from "../../../src/teachers/openai/assemble.ts";
import { eventReader } from "../../../src/teachers/openai/events.ts";

const ASKED: Asked = {
  endpoint: "chat",
  reasoning: "auto",
  models: [],
  prefilled: false,
  prompt_tokens: 5,
  count: (text) => text.length,
  top_logprobs: 0,
};

const usage = (completion_tokens: number, more: object = {}) => ({ prompt_tokens: 5, completion_tokens, ...more });

/** What is read of one body, and of the same as a stream of events. */
function read(message: object, finish_reason: string | null, more: object = {}, asked: Partial<Asked> = {}) {
  const choice = { index: 0, finish_reason, message, ...more };
  const body = Buffer.from(JSON.stringify({ id: "a", model: "m", choices: [choice], usage: usage(9) }));
  return answerIn(assemble(body, false), false, { ...ASKED, ...asked });
}

function streamed(
  deltas: object[],
  finish_reason: string | null,
  asked: Partial<Asked> = {},
  end = "data: [DONE]\n\n",
) {
  const events = [
    ...deltas.map((delta) => ({ id: "a", model: "m", choices: [{ index: 0, finish_reason: null, delta }] })),
    { id: "a", model: "m", choices: [{ index: 0, finish_reason, delta: {} }] },
    { id: "a", model: "m", choices: [], usage: usage(9) },
  ];
  const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("") + end;
  return answerIn(assemble(Buffer.from(text), true), true, { ...ASKED, ...asked });
}

test("reasoning is put in front of the answer, wherever it stands, and its place is kept", () => {
  const whole = "<think>2 + 2 is 4.</think>The answer is 4.";
  const [thought, said] = ["2 + 2 is 4.", "The answer is 4."];
  const places: [message: Record<string, unknown>, place: string][] = [
    [{ reasoning_content: thought, content: said }, "field"],
    [{ reasoning: thought, content: said }, "field"],
    [{ reasoning_details: [{ type: "reasoning.text", text: "2 + 2 " }, { text: "is 4." }], content: said }, "field"],
    [{ reasoning: thought, reasoning_details: [{ text: thought }], content: said }, "field"],
    [{ content: whole }, "inline"],
    // the template wrote the tag that opens the block
    [{ content: `${thought}</think>${said}` }, "prefilled"],
    // in both places
    [{ reasoning_content: thought, content: whole }, "field"],
    // the end of a tag that was cut through
    [{ reasoning_content: thought, content: `/think>${said}` }, "field"],
    [{ reasoning_content: "2 + 2 ", content: `is 4.</think>${said}` }, "field"],
  ];
  for (const [message, place] of places) {
    for (const answer of [read(message, "stop"), streamed([message], "stop")])
      assert.deepEqual(
        "completion" in answer && [answer.completion, answer.reasoning, answer.finish_reason],
        [whole, place, "stop"],
        JSON.stringify(message),
      );
  }
  const plain = read({ content: "4" }, "stop");
  assert.deepEqual("completion" in plain && [plain.completion, plain.reasoning], ["4", "none"]);
});

test("what was cut off is told by its finish_reason, whichever field it is in, and no block is closed for it", () => {
  for (const message of [
    { content: null, reasoning: "and so" },
    { content: "", reasoning_content: "and so" },
    { content: "<think>and so" },
  ]) {
    const answer = read(message, "length");
    assert.deepEqual("completion" in answer && [answer.completion, answer.finish_reason], ["<think>and so", "length"]);
  }
  // a stop text inside of the block: it looks finished, and has no answer
  const stopped = read({ content: "", reasoning_content: "and so" }, "stop");
  assert.equal("completion" in stopped && stopped.completion, "<think>and so");
  const repeated = read({ content: "a a a a" }, "repetition");
  assert.equal("completion" in repeated && repeated.finish_reason, "length");
});

test("a recipe may say where reasoning is", () => {
  const message = { reasoning_content: "x", content: "<think>y</think>z" };
  const inline = read(message, "stop", {}, { reasoning: "inline" });
  assert.equal("completion" in inline && inline.completion, "<think>y</think>z");
  const none = read({ content: "y</think>z" }, "stop", {}, { reasoning: "field" });
  assert.equal("completion" in none && none.completion, "y</think>z");
});

test("token ids and probabilities are taken where there is one for each token, else none of them", () => {
  const entry = (id: number) => ({
    id,
    token: `t${id}`,
    logprob: -1,
    top_logprobs: [
      { id: 7, token: "x", logprob: -2 },
      { id, token: `t${id}`, logprob: -1 },
    ],
  });
  const nine = Array.from({ length: 9 }, (_, i) => i);
  const content = nine.map(entry);
  const asked = { top_logprobs: 2 };
  const counted: [more: object, ids: number, tops: number | undefined][] = [
    [{ token_ids: nine }, 9, undefined],
    [{ logprobs: { content } }, 9, 9],
    [{ token_ids: nine, logprobs: { content } }, 9, 9],
    [{ token_ids: nine.slice(1) }, 0, undefined], // the text that ended it is missing
    [{ logprobs: { content: content.slice(1) } }, 0, undefined],
    [{ token_ids: nine, logprobs: { content: content.slice(1) } }, 9, undefined],
    // as vLLM says it: names of tokens that are their ids
    [
      {
        logprobs: {
          content: content.map(({ id, logprob, top_logprobs }) => ({
            token: `token_id:${id}`,
            logprob,
            top_logprobs: top_logprobs.map((top) => ({ token: `token_id:${top.id}`, logprob: top.logprob })),
          })),
        },
      },
      9,
      9,
    ],
    // the older form of completions
    [
      {
        logprobs: {
          tokens: nine.map((id) => `token_id:${id}`),
          token_logprobs: nine.map(() => -1),
          top_logprobs: nine.map((id) => ({ "token_id:7": -2, [`token_id:${id + 10}`]: -1 })),
        },
      },
      9,
      9,
    ],
    // texts say not which token it was
    [
      { logprobs: { content: content.map(({ logprob }) => ({ token: "a", logprob, top_logprobs: [] })) } },
      0,
      undefined,
    ],
  ];
  for (const [more, ids, tops] of counted) {
    const answer = read({ content: "text" }, "stop", more, asked);
    assert.ok("completion" in answer);
    assert.deepEqual(
      [answer.token_ids.length, answer.top_logprobs?.length],
      [ids, tops],
      JSON.stringify(more).slice(0, 90),
    );
    for (const { logprobs } of answer.top_logprobs ?? []) assert.deepEqual(logprobs, [-1, -2]);
  }
});

test("what is used is read in every form", () => {
  const forms: [object, Record<string, unknown>][] = [
    [
      usage(9, { completion_tokens_details: { reasoning_tokens: 4 }, prompt_tokens_details: { cached_tokens: 3 } }),
      { reasoning_tokens: 4, cached_tokens: 3 },
    ],
    [usage(9, { reasoning_tokens: 4 }), { reasoning_tokens: 4 }],
    [usage(9, { prompt_cache_hit_tokens: 2, cost: 0.5 }), { cached_tokens: 2, cost: 0.5 }],
    [usage(9, { prompt_tokens_details: null }), { cached_tokens: null }],
  ];
  for (const [given, found] of forms) {
    const body = { choices: [{ index: 0, finish_reason: "stop", message: { content: "x" } }], usage: given };
    const answer = answerIn(assemble(Buffer.from(JSON.stringify(body)), false), false, ASKED);
    assert.ok("completion" in answer);
    for (const [name, value] of Object.entries(found)) assert.equal(answer.usage[name as "cost"], value);
  }
});

test("a stream is the same however its bytes are cut, with any ends of lines, comments and blanks between", () => {
  const random = seededRandom(1);
  const deltas = ["Ünï", "cødé 🦙", "\n\n", "data: x", "end"].map((content) => ({ content }));
  const text = deltas.map(({ content }) => `data: ${JSON.stringify({ content })}`);
  for (const [end, between] of [
    ["\n", ""],
    ["\r\n", ""],
    ["\r", ""],
    ["\n", ": keep-alive\n\n"],
    ["\n", "\n\n"],
    ["\n", "event: message\nid: 3\nretry: 10\n"],
  ] as const) {
    const bytes = Buffer.from(text.map((line) => `${between}${line}${end}${end}`).join(""));
    for (let round = 0; round < 40; round++) {
      const found: string[] = [];
      const reader = eventReader((data) => found.push((JSON.parse(data) as { content: string }).content));
      for (let at = 0; at < bytes.length; ) {
        const next = Math.min(bytes.length, at + 1 + random.below(round === 0 ? 1 : 30));
        reader.push(bytes.subarray(at, next));
        at = next;
      }
      reader.end();
      assert.deepEqual(
        found,
        deltas.map(({ content }) => content),
      );
    }
  }
});

test("a stream that is cut anywhere is no answer, unless what was cut is only its last mark", () => {
  const text = [
    { id: "a", model: "m", choices: [{ index: 0, finish_reason: null, delta: { content: "one two" } }] },
    { id: "a", model: "m", choices: [{ index: 0, finish_reason: "stop", delta: {} }] },
    { id: "a", model: "m", choices: [], usage: usage(2) },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .join("")
    .concat("data: [DONE]\n\n");
  const whole = text.indexOf("data: [DONE]") - 2; // usage and finish_reason are there
  for (let length = 0; length <= text.length; length++) {
    const answer = answerIn(assemble(Buffer.from(text.slice(0, length)), true), true, ASKED);
    if (length >= whole) assert.ok("completion" in answer, `${length}`);
    else assert.ok("outcome" in answer && ["failed", "lying"].includes(answer.outcome), `${length} of ${text.length}`);
  }
});

test("tokens of which a server tells none are counted, so that a budget holds", () => {
  const bodies = [{}, { usage: null }, { usage: { prompt_tokens: 3, completion_tokens: 0 } }];
  for (const more of bodies) {
    const body = { choices: [{ index: 0, finish_reason: "stop", message: { content: "twelve signs" } }], ...more };
    const answer = answerIn(assemble(Buffer.from(JSON.stringify(body)), false), false, ASKED);
    assert.equal("completion" in answer && answer.usage.completion_tokens, 12);
  }
});

test("names of one model differ by its owner, a date or a way of routing, and by nothing else", () => {
  for (const [a, b] of [
    ["gpt-5-mini", "gpt-5-mini-2025-08-07"],
    ["deepseek/deepseek-r1:free", "deepseek-r1"],
    ["Qwen/QwQ-32B", "qwq-32b"],
    ["llama3:latest", "llama3"],
    ["mistral-large-latest", "mistral-large-2411"],
  ])
    assert.ok(sameModel(a!, b!), `${a} ${b}`);
  for (const [a, b] of [
    ["gpt-4o", "gpt-4o-mini"],
    ["qwen3:32b", "qwen3:0.6b"],
    ["deepseek-r1", "deepseek-r1-mini"],
    ["dear", "cheap"],
  ])
    assert.ok(!sameModel(a!, b!), `${a} ${b}`);
});

test("what is no answer of a model is none, whatever it is", () => {
  for (const text of [
    "",
    "null",
    "[]",
    "{}",
    '"text"',
    "<html>",
    '{"choices":"x"}',
    '{"choices":[null]}',
    '{"choices":[{}]}',
    '{"choices":[{"finish_reason":"stop"}]}',
  ]) {
    const answer = answerIn(assemble(Buffer.from(text), false), false, ASKED);
    assert.ok("outcome" in answer && answer.outcome === "lying", text);
  }
});
