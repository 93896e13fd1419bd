import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ReadOptions, TrainingRow } from "../../src/data/rows.ts";
import { allRows } from "../support/rows.ts";
import { scratch } from "../support/students.ts";

const path = join(scratch(), "rows.jsonl");

/** What rows become, and what of the others is said behind where they stand. */
async function read(
  rows: readonly unknown[],
  options?: ReadOptions,
  prefer?: "messages" | "prompt",
): Promise<(string | { row: TrainingRow; unread: readonly string[] })[]> {
  writeFileSync(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return (await allRows(path, prefer, options)).map((found) =>
    "fault" in found ? found.fault.replace(/^.*rows\.jsonl, line \d+,? /, "") : found,
  );
}

const user = (content: string) => ({ role: "user", content });
const said = (content: string, more: object = {}) => ({ role: "assistant", content, ...more });
const ASKED = [user("Is 4 even?"), said("Yes.")];
const messages: TrainingRow = { messages: ASKED };
const pair: TrainingRow = { prompt: "Is 4 even?", completion: "Yes." };
const call = (args: unknown) => ({ type: "function", function: { name: "halve", arguments: args } });
const tool = { type: "function", function: { name: "halve", parameters: { type: "object" } } };

const READ: Record<string, [row: unknown, becomes: TrainingRow]> = {
  "turns of other names": [
    {
      conversations: [
        { from: "human", value: "Is 4 even?" },
        { from: "gpt", value: "Yes." },
      ],
    },
    messages,
  ],
  "turns of roles in a column conversations": [{ conversations: ASKED }, messages],
  "turns as JSON": [{ messages: JSON.stringify(ASKED) }, messages],
  "turns of which each is JSON": [{ messages: ASKED.map((turn) => JSON.stringify(turn)) }, messages],
  "turns in parts of text": [
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Is 4" },
            { type: "text", text: " even?" },
          ],
        },
        ASKED[1],
      ],
    },
    messages,
  ],
  "a system column beside turns": [
    { system: "Be brief.", messages: ASKED },
    { messages: [{ role: "system", content: "Be brief." }, ...ASKED] },
  ],
  "a system column beside texts": [
    { system: "Be brief.", ...pair },
    { system: "Be brief.", ...pair },
  ],
  "a prompt and a completion of turns": [
    { prompt: [user("Is 3 odd?"), said("Yes."), ASKED[0]], completion: [ASKED[1]] },
    { messages: [user("Is 3 odd?"), said("Yes."), ...ASKED], learn: [false, false, false, undefined] },
  ],
  "an instruction with an input": [
    { instruction: "Is it even?", input: "4", output: "Yes." },
    { prompt: "Is it even?\n4", completion: "Yes." },
  ],
  "an instruction without one": [{ instruction: "Is 4 even?", input: "", output: "Yes." }, pair],
  "an instruction with earlier turns": [
    { instruction: "Is 4 even?", output: "Yes.", history: [["Is 3 odd?", "Yes."]] },
    { messages: [user("Is 3 odd?"), said("Yes."), ...ASKED] },
  ],
  "an instruction with a context": [
    { instruction: "Is it even?", context: "4", response: "Yes." },
    { prompt: "Is it even?\n4", completion: "Yes." },
  ],
  "a question and an answer": [{ question: "Is 4 even?", answer: "Yes." }, pair],
  "a problem and a solution": [{ problem: "Is 4 even?", solution: "Yes." }, pair],
  "a query and a response": [{ query: "Is 4 even?", response: "Yes." }, pair],
  "an integer": [
    { prompt: "2+2", completion: 4 },
    { prompt: "2+2", completion: "4" },
  ],
  "reasoning beside a completion": [
    { ...pair, reasoning: "It is 2·2." },
    { ...pair, reasoning: "It is 2·2." },
  ],
  "a text": [{ text: "Four is even." }, { text: "Four is even." }],
  "tokens with labels": [
    { input_ids: [5, 6, 7], labels: [-100, 6, -100] },
    { tokens: [5, 6, 7], supervised: [false, true, false] },
  ],
  "tokens with a mask": [
    { input_ids: [5, 6, 7], completion_mask: [0, 1, 1], attention_mask: [1, 1, 1] },
    { tokens: [5, 6, 7], supervised: [false, true, true] },
  ],
  "tokens alone": [{ input_ids: [5, 6] }, { tokens: [5, 6], supervised: [false, true] }],
  "tools and calls": [
    {
      messages: [user("Halve 4."), said("Now.", { tool_calls: [call({ n: 4 })] }), { role: "tool", content: "2" }],
      tools: [tool],
    },
    {
      messages: [user("Halve 4."), said("Now.", { tool_calls: [call({ n: 4 })] }), { role: "tool", content: "2" }],
      tools: [tool],
    },
  ],
  "tools as JSON, and a call that is the inner object": [
    {
      messages: [user("Halve 4."), { role: "assistant", content: null, tool_calls: [call({ n: 4 }).function] }],
      tools: JSON.stringify([tool]),
    },
    {
      messages: [user("Halve 4."), { role: "assistant", content: null, tool_calls: [call({ n: 4 })] }],
      tools: [tool],
    } as TrainingRow,
  ],
  "roles of calls and of what they gave": [
    {
      conversations: [
        { from: "human", value: "Halve 4." },
        { from: "function_call", value: '{"name": "halve", "arguments": {"n": 4}}' },
        { from: "observation", value: "2" },
        { from: "gpt", value: "2." },
      ],
    },
    {
      messages: [
        user("Halve 4."),
        { role: "assistant", content: null, tool_calls: [call({ n: 4 })] },
        { role: "tool", content: "2" },
        said("2."),
      ],
    } as TrainingRow,
  ],
};

const FROM_PEERS: Record<string, [row: unknown, becomes: TrainingRow]> = {
  "several calls of one role, and results of another": [
    {
      messages: [
        user("Halve 4 and 6."),
        { role: "tool_call", content: '{"name": "halve", "arguments": {"n": 4}}' },
        { role: "tool_call", content: '[{"name": "halve", "arguments": "{\\"n\\": 6}"}]' },
        { role: "tool_response", content: "2" },
        { role: "tool_response", content: "3" },
        said("2 and 3."),
      ],
    },
    {
      messages: [
        user("Halve 4 and 6."),
        {
          role: "assistant",
          content: null,
          tool_calls: [
            call({ n: 4 }),
            { type: "function", function: { name: "halve", arguments: { n: 6 }, text: '{"n": 6}' } },
          ],
        },
        { role: "tool", content: "2" },
        { role: "tool", content: "3" },
        said("2 and 3."),
      ],
    } as TrainingRow,
  ],
  "earlier turns beside a query": [
    { query: "Is 4 even?", response: "Yes.", history: [["Is 3 odd?", "Yes."]], system_prompt: "Be brief." },
    { messages: [{ role: "system", content: "Be brief." }, user("Is 3 odd?"), said("Yes."), ...ASKED] },
  ],
  "earlier turns, and reasoning of the last": [
    { prompt: "Is 4 even?", completion: "Yes.", history: '[["Is 3 odd?", "Yes."]]', thinking: "2 * 2" },
    {
      messages: [user("Is 3 odd?"), said("Yes."), ASKED[0], said("Yes.", { reasoning_content: "2 * 2" })],
    } as TrainingRow,
  ],
  "a system text of another name": [
    { system_message: "Be brief.", question: "Is 4 even?", response: "Yes." },
    { system: "Be brief.", ...pair },
  ],
  "the same twice under two names": [
    { question: "Is 4 even?", prompt: "Is 4 even?", response: "Yes.", answer: "Yes." },
    pair,
  ],
  "places of tokens": [
    { input_ids: [5, 6], position_ids: [0, 1], seq_lengths: [2], loss_mask: [false, true] },
    { tokens: [5, 6], supervised: [false, true] },
  ],
};

for (const [what, [row, becomes]] of [...Object.entries(READ), ...Object.entries(FROM_PEERS)])
  test(`${what}: read`, async () => {
    const [found] = await read([row]);
    assert.deepEqual(typeof found === "object" && "row" in found && found.row, becomes, String(found));
  });

test("reasoning is read under each of its names, and arguments that are JSON are kept as they were written", async () => {
  for (const name of ["reasoning_content", "reasoning", "thinking"]) {
    const [found] = await read([{ messages: [user("a"), said("b", { [name]: "c" })] }]);
    assert.deepEqual(typeof found === "object" && "row" in found && found.row, {
      messages: [user("a"), said("b", { reasoning_content: "c" })],
    });
  }
  const parts = [
    { type: "thinking", thinking: "c" },
    { type: "text", text: "b" },
  ];
  const [found] = await read([
    { messages: [user("a"), { role: "assistant", content: parts, tool_calls: [call('{ "n":4 }')] }] },
  ]);
  assert.deepEqual(typeof found === "object" && "row" in found && found.row, {
    messages: [
      user("a"),
      {
        ...said("b", { reasoning_content: "c" }),
        tool_calls: [{ type: "function", function: { name: "halve", arguments: { n: 4 }, text: '{ "n":4 }' } }],
      },
    ],
  });
});

test("turns say whether they are trained on under each of the names for it", async () => {
  for (const [off, on] of [
    [{ weight: 0 }, { weight: 1 }],
    [{ train: false }, { train: true }],
    [{ loss: false }, { loss: 1 }],
    [{ masked: true }, { masked: false }],
    [{ trainable: 0 }, {}],
  ]) {
    const turns = [user("a"), said("b", off), user("c"), said("d", on)];
    const [found] = await read([{ messages: turns }]);
    assert.ok(typeof found === "object" && "messages" in found.row);
    const { row } = found;
    assert.equal(row.learn?.[1], false);
    assert.notEqual(row.learn?.[3], false);
    assert.deepEqual(row.messages[1], said("b"));
  }
});

test("columns and roles are what a recipe says they are", async () => {
  const options = { columns: { prompt: "ask", completion: "reply" } };
  assert.deepEqual(
    ((await read([{ ask: "Is 4 even?", reply: "Yes.", prompt: "not this" }], options))[0] as { row: unknown }).row,
    pair,
  );
  const dialog = {
    dialog: [
      { speaker: "me", text: "Is 4 even?" },
      { speaker: "bot", text: "Yes." },
    ],
  };
  const named = {
    columns: { messages: "dialog", role: "speaker", content: "text" },
    roles: { me: "user", bot: "assistant" },
  };
  assert.deepEqual(((await read([dialog], named))[0] as { row: unknown }).row, messages);
  const [missing] = await read([{ ask: "a" }], options);
  assert.match(missing as string, /^has no column "reply", which dataset\.columns\.completion names\. It has ask\.$/);
  await assert.rejects(
    read([pair], { columns: { promt: "ask" } }),
    /dataset\.columns names "promt".*Expected one of: .*prompt/,
  );
});

test("what is read of a row that has several is said by who asks", async () => {
  const both = { ...pair, messages: [user("c"), said("d")] };
  assert.deepEqual(((await read([both], {}, "prompt"))[0] as { row: unknown }).row, pair);
  assert.deepEqual(((await read([both], {}, "messages"))[0] as { row: unknown }).row, { messages: both.messages });
  const tokens = { text: "a", input_ids: [1, 2] };
  assert.ok("tokens" in ((await read([tokens]))[0] as { row: object }).row);
});

test("arguments are read under each of their names, and beside the function", async () => {
  const calls = [
    { name: "f", args: { n: 1 } },
    { name: "f", input: { n: 1 }, type: "tool_use" },
    { function: { name: "f" }, arguments: { n: 1 } },
    { function: { name: "f", parameters: '{"n": 1}' }, id: "1" },
  ];
  for (const one of calls) {
    const [found] = await read([{ messages: [user("a"), said("b", { tool_calls: [one] })] }]);
    assert.ok(typeof found === "object" && "messages" in found.row, String(found));
    assert.deepEqual(found.row.messages[1]!.tool_calls![0]!.function.arguments, { n: 1 });
  }
});

test("reasoning that a completion has, too, is read once, and another one is refused", async () => {
  const completion = "<think>Two and two.</think>\n\nYes.";
  const row = { prompt: "Is 4 even?", completion, reasoning: "Two and two." };
  assert.deepEqual(await read([row], {}, "prompt"), [
    { where: `${path}, line 1`, row: { prompt: "Is 4 even?", completion }, unread: [] },
  ]);
  assert.deepEqual(await read([{ ...row, reasoning: "Odd." }], {}, "prompt"), [
    "has one reasoning as reasoning and another one in its completion.",
  ]);
});

test("a trace is what was asked and what was answered; a renamed column may be missing in some rows, not in all", async () => {
  const trace = { messages: [user("a")], completion: "b", prompt_text: "a", prompt: "a", accepted: true };
  const [found] = await read([trace], {}, "messages");
  assert.deepEqual(typeof found === "object" && found.row, { messages: [user("a"), said("b")] });
  const rows = [{ ...pair, told: "Be brief." }, pair];
  const [first, second] = await read(rows, { columns: { system: "told" } });
  assert.deepEqual([typeof first, typeof second], ["object", "object"]);
  await assert.rejects(
    read(rows, { columns: { system: "toled" } }),
    /No row of .* has a column "toled", which dataset\.columns names/,
  );
});

test("columns and keys of turns that are not read are named", async () => {
  const [found] = await read([
    { id: 4, messages: [{ ...ASKED[0], time: "now" }, ASKED[1]], source: "me", nothing: null },
  ]);
  assert.deepEqual(typeof found === "object" && found.unread, ["id", "source", "messages[].time"]);
});

const REFUSED: Record<string, [row: unknown, sentence: RegExp]> = {
  "other columns": [{ ask: "a", reply: "b" }, /^has ask, reply\. Expected columns "prompt" and "completion"/],
  "a question alone": [{ prompt: "a" }, /has prompt\. Expected .*These are questions without completions/],
  "no object": ["[1, 2]", /^has \[1,2\]\. Expected columns/],
  "a row that was cut": [{ ...pair, finish_reason: "length" }, /^was cut at a limit of tokens/],
  "a role that nobody knows": [
    { messages: [user("a"), { role: "model", content: "b" }] },
    /^turn 2 has the role "model"\. Expected one of system, .*dataset\.roles says .*\{ model: assistant \}\.$/,
  ],
  "a role in capitals": [
    { messages: [user("a"), { role: "Assistant", content: "b" }] },
    /^turn 2 has the role "Assistant"/,
  ],
  "a picture": [
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: "x" }] }, said("b")] },
    /^turn 1 has a part of type "image_url"\. Expected parts of type text; leave such rows out\.$/,
  ],
  "a column of pictures": [
    { ...pair, images: ["a.png"] },
    /^has a column "images": only text is trained on\. Leave such rows out\.$/,
  ],
  "a pair of preferences": [
    { prompt: "a", chosen: "b", rejected: "c" },
    /^has a column "chosen": answers that are better or worse/,
  ],
  "a weight that is a share": [
    { messages: [user("a"), said("b", { weight: 0.5 })] },
    /^turn 2 has weight 0\.5\. Expected 0 or 1/,
  ],
  "a row that weighs more": [{ ...pair, weight: 2 }, /^has a column "weight": rows weigh the same/],
  "a user to be trained on": [
    { messages: [{ ...user("a"), train: true }, said("b")] },
    /^turn 1 of the role user is to be trained on/,
  ],
  "a turn that says both": [{ messages: [user("a"), said("b", { weight: 1, train: false })] }, /^turn 2 says both/],
  "a content that is an object": [
    { messages: [user("a"), { role: "tool", content: { n: 1 } }, said("b")] },
    /^turn 2 has an object as its content\. Expected a text: write it as JSON in one, or leave such rows out\.$/,
  ],
  "a call with a key that is not read": [
    { messages: [user("a"), said("b", { tool_calls: [{ name: "f", argument: { n: 1 } }] })] },
    /^turn 2 calls f with the key "argument", which is not read\. Expected name and arguments\.$/,
  ],
  "a call with arguments twice": [
    { messages: [user("a"), said("b", { tool_calls: [{ name: "f", args: { n: 1 }, arguments: { n: 2 } }] })] },
    /^turn 2 calls f with arguments under two names\. Leave out one of them\.$/,
  ],
  "a row that was rejected": [{ ...pair, accepted: false }, /^was not accepted \(its column accepted is false\)/],
  "an answer that is called bad": [
    { ...pair, label: false },
    /^has a column "label" that is false: answers that are better/,
  ],
  "reasoning beside lists of turns": [
    { prompt: [user("a")], completion: [said("b")], reasoning: "c" },
    /^has a column "reasoning" beside lists of turns\. Give it to the turn/,
  ],
  "a turn that was cut": [
    { messages: [user("a"), said("b", { finish_reason: "length" })] },
    /^turn 2 was cut at a limit/,
  ],
  "a mask of a turn under a name that says little": [
    { messages: [user("a"), said("b", { mask: 1 })] },
    /^turn 2 has the key "mask", which is not read here/,
  ],
  "no completion": [{ prompt: "a", completion: null }, /^has null as its completion\. Expected a text\.$/],
  "an answer of another name": [
    { prompt: "a", output: "b" },
    /^has prompt, output\. Expected columns .* leads to them\.$/,
  ],
  "no content": [
    { messages: [user("a"), { role: "assistant", content: null }] },
    /^turn 2 has no content\. Expected a text, or tool_calls; leave such turns out\.$/,
  ],
  "a turn that is a text": [{ messages: ["a", "b"] }, /^turn 1 is "a"\. Expected an object with role and content/],
  "a turn without a role": [
    { messages: [{ text: "a" }] },
    /^turn 1 has text\. Expected role and content, or from and value/,
  ],
  "no turns": [{ messages: [] }, /^has no turns in messages\. Expected what a user says and what is answered\.$/],
  "a call without a name": [
    { messages: [user("a"), said("b", { tool_calls: [{ id: "1" }] })] },
    /^turn 2 calls \{"id":"1"\}\. Expected/,
  ],
  "a call with no object": [
    { messages: [user("a"), said("b", { tool_calls: [call("4")] })] },
    /^turn 2 calls halve with "4"\. Expected an object/,
  ],
  "a call of the user's": [
    { messages: [{ ...user("a"), tool_calls: [call({})] }, said("b")] },
    /^turn 1 of the role user calls tools/,
  ],
  "tools beside texts": [{ ...pair, tools: [tool] }, /^has a column "tools" beside texts\. Give messages/],
  "tools without a name": [{ messages: ASKED, tools: [{ type: "function" }] }, /^has a tool without a name/],
  "two system texts": [
    { system: "a", messages: [{ role: "system", content: "b" }, ...ASKED] },
    /^has a column "system" and a first turn of the role system\. Leave out one of them\.$/,
  ],
  "reasoning of two names": [
    { messages: [user("a"), said("b", { thinking: "c", reasoning: "d" })] },
    /^turn 2 has its reasoning twice, as reasoning and thinking/,
  ],
  "settings of a template": [
    { messages: ASKED, chat_template_kwargs: { enable_thinking: false } },
    /^has a column "chat_template_kwargs": .*recipe/,
  ],
  "a refusal": [{ messages: [user("a"), said("b", { refusal: "no" })] }, /^turn 2 has the key "refusal"/],
  "a number that can be written in two ways": [
    { prompt: "a", completion: 2.5 },
    /^has 2\.5 as its completion\. Expected a text\.$/,
  ],
  "half of a character": [
    '{"prompt": "a", "completion": "b\\ud83d"}',
    /^has half of a surrogate pair \(\\ud83d\) in its completion/,
  ],
  "half of a character in a turn": [
    '{"messages": [{"role": "user", "content": "\\udc00"}]}',
    /^turn 1 has half of a surrogate pair \(\\udc00\) in its content/,
  ],
  "labels that are shifted": [
    { input_ids: [5, 6, 7], labels: [6, 7, -100] },
    /^has the label 6 at token 1, which is 5\. .*not shifted/,
  ],
  "labels of another length": [{ input_ids: [5, 6], labels: [5] }, /^has 1 labels and 2 input_ids/],
  "tokens with padding": [{ input_ids: [5, 0], attention_mask: [1, 0] }, /^has an attention_mask with zeros/],
  "tokens that are texts": [{ input_ids: ["5"] }, /^has input_ids with "5"\. Expected integers\.$/],
};

const LOST: Record<string, [row: unknown, sentence: RegExp]> = {
  "tools beside a query": [
    { query: "a", response: "b", tools: [tool] },
    /^has a column "tools" beside texts\. Give messages/,
  ],
  "tools beside a text alone": [
    { text: "a", tools: [tool] },
    /^has a column "tools" beside text, where it is not read\./,
  ],
  "a system text beside tokens": [{ input_ids: [5, 6], system: "a" }, /^has a column "system" beside input_ids/],
  "reasoning beside turns": [
    { messages: ASKED, thinking: "c" },
    /^has a column "thinking" beside messages, where it is not read\. Put what it says into the turn/,
  ],
  "what a question is about": [
    { problem: "a", context: "b", solution: "c" },
    /^has a column "context" beside problem and solution/,
  ],
  "a switch in place of reasoning": [{ ...pair, reasoning: "off" }, /^has "off" as its reasoning, which says whether/],
  "two answers": [
    { question: "a", answer: "4", response: "It is 4." },
    /^has a column "answer" and a column "response", either of which may be the answer\. .*columns: \{ prompt: question, completion: response \}/,
  ],
  "two questions": [
    { query: "a", prompt: "b", response: "c" },
    /^has a column "query" and a column "prompt", either of which may be what is asked/,
  ],
  "two system texts of two names": [
    { ...pair, system: "a", system_prompt: "b" },
    /^has a column "system" and another one "system_prompt"\. Leave out one/,
  ],
  "an answer beside a worse one": [
    { messages: ASKED, rejected_response: "No." },
    /^has a column "rejected_response": .*Keep the better ones alone/,
  ],
  "whether an answer is wanted": [
    { messages: ASKED, kto_tag: false },
    /^has a column "kto_tag": answers that are better/,
  ],
  "a mask that is no mask": [
    { input_ids: [5, 6], completion_mask: [0, 3] },
    /^has completion_mask with 3\. Expected 0 and 1/,
  ],
  "places that begin again": [
    { input_ids: [5, 6], position_ids: [0, 0] },
    /^has position_ids of several examples in one row/,
  ],
  "several lengths in a row": [{ input_ids: [5, 6, 7], seq_lengths: [1, 2] }, /^has seq_lengths of several examples/],
  "half of a character in a call": [
    '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": [{"name": "f", "arguments": {"\\ud800": 1}}]}]}',
    /^turn 2 has half of a surrogate pair \(\\ud800\) in its call/,
  ],
  "half of a character in a tool": [
    '{"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f", "parameters": {"enum": ["\\udfff"]}}]}',
    /^has half of a surrogate pair \(\\udfff\) in its tool f/,
  ],
  "a list as Python prints it": [
    { messages: "[{'role': 'user', 'content': 'a'}]" },
    /^has messages that are no list but the text .*, which is Python's way to print one and not JSON\. Write it with json\.dumps\.$/,
  ],
  "rows under a key": [
    { version: 2, rows: [pair, pair] },
    /^has version, rows, and rows under "rows"\. Give those alone, .*jq '\.rows'/,
  ],
  "a call as a part of what is said": [
    { messages: [user("a"), { role: "assistant", content: [{ type: "tool_use", name: "f", input: {} }] }] },
    /^turn 2 has a part of type "tool_use"\. Expected it as one of tool_calls/,
  ],
};

test("columns that dataset.columns names go before all others", async () => {
  const row = { question: "Is 4 even?", answer: "4", long: "Yes.", prompt: "x", completion: "y", messages: ASKED };
  const columns = { question: "question", response: "long" };
  const [found] = await read([row], { columns }, "messages");
  assert.deepEqual(typeof found === "object" && found.row, pair);
});

test("a role that means what no row is read for is refused, and one of the template's own is not", async () => {
  const messages = [user("a"), { role: "bot", content: "b" }];
  await assert.rejects(
    read([{ messages }], { roles: { bot: "asistant" } }),
    /dataset\.roles says that bot is "asistant", which no row is read for\. Expected one of: .*assistant/,
  );
  const [found] = await read([{ messages }], { roles: { bot: "bot" } });
  assert.ok(typeof found === "object" && "messages" in found.row && found.row.messages[1]!.role === "bot");
});

test("a trace is a question and an answer for a student that continues text, and its reasoning is not doubled", async () => {
  const completion = "<think>\nc\n</think>\n\nb";
  const trace = { messages: [user("a")], completion, prompt_text: "<a>", prompt: "a", reasoning: "c" };
  const [found] = await read([trace], {}, "prompt");
  assert.deepEqual(typeof found === "object" && found.row, { prompt: "<a>", completion });
});

for (const [what, [row, sentence]] of [...Object.entries(REFUSED), ...Object.entries(LOST)])
  test(`${what}: refused in a sentence, and the rows beside it are read`, async () => {
    const [before, found, after] = await read([pair, row, pair]);
    assert.match(String(found), sentence);
    assert.ok(typeof before === "object" && typeof after === "object");
  });
