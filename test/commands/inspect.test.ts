import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { piecesOf } from "../../src/commands/inspect/pieces.ts";
import { summarise } from "../../src/commands/inspect/summary.ts";
import { terminalRow } from "../../src/commands/inspect/terminal.ts";
import { allOf } from "../../src/data/example-store.ts";
import { readExamples } from "../../src/data/examples.ts";
import { rowsOf, unpacked } from "../../src/data/packing.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { writeChatTokenizer } from "../support/chat-templates.ts";
import { distill } from "../support/cli.ts";
import { scratch, writeStudent } from "../support/students.ts";

const folder = scratch();
const tokenizer = loadTokenizer(writeChatTokenizer(join(folder, "qwen3"), "Qwen3"));
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const CONVERSATIONS = [
  [user("Half of 36? 半分 🙂"), assistant("<think>\nHalf.\n</think>\n\n18")],
  [
    user("Half of 36?"),
    assistant("<think>\nHalf.\n</think>\n\n18"),
    user("Twice <b>\u001b[31m\u202e?"),
    assistant("<think>\nTwice.\n</think>\n\n36"),
  ],
  [user("Long?"), assistant("step ".repeat(100))],
  [user("1+1?"), assistant("2")],
];
const path = join(folder, "rows.jsonl");
writeFileSync(path, CONVERSATIONS.map((messages) => JSON.stringify({ messages })).join("\n"));
const recipe = join(folder, "recipe.yaml");
writeFileSync(
  recipe,
  stringify({
    name: "shown",
    output: "run",
    student: { config: { model_type: "llama" } },
    tokenizer: "qwen3",
    dataset: { path: "rows.jsonl" },
    trainer: { max_length: 300 },
  }),
);
const LENGTH = 300;
const examples = (await readExamples({ path }, tokenizer, { max_length: LENGTH, overlength: "drop" }))!;
const packedRows = rowsOf(examples.segments, { packing: true, max_length: LENGTH });
const packed = packedRows.map((row) => unpacked(examples.segments, row));
const all = [...allOf(examples.segments), ...allOf(examples.dropped)];

test("the pieces of a row are its text, what is supervised in it, its boundaries and its padding", async () => {
  for (const row of packed) {
    const pieces = piecesOf(row, LENGTH, tokenizer);
    const texts = pieces.flatMap((piece) => (piece.kind === "text" ? [piece] : []));
    const shown = (part: typeof texts) => part.map(({ text }) => text).join("");
    const whole = row.map(({ tokens }) => tokenizer.decode(tokens)).join("");
    assert.equal(shown(texts), whole.replaceAll("\u001b", "\\u001b").replaceAll("\u202e", "\\u202e"));
    const learned = row.map(({ tokens, supervised }) => tokenizer.decode(tokens.filter((_, i) => supervised[i])));
    assert.equal(shown(texts.filter(({ supervised }) => supervised)), learned.join(""));
    for (const { text, special } of texts) assert.equal(special, /^<\|im_(start|end)\|>$/.test(text), text);
    const boundaries = pieces.flatMap((piece) => (piece.kind === "boundary" ? [piece] : []));
    assert.deepEqual(
      boundaries.map(({ row, tokens }) => [row, tokens]),
      row.map(({ row, tokens }) => [row, tokens.length]),
    );
    const padding = pieces.reduce((sum, piece) => sum + (piece.kind === "padding" ? piece.tokens : 0), 0);
    assert.equal(padding, LENGTH - row.reduce((sum, { tokens }) => sum + tokens.length, 0));
  }
});

test("colours and marks say the same of the same lines, no wider than asked", async () => {
  const pieces = packed.flatMap((row) => piecesOf(row, LENGTH, tokenizer));
  const bare = (text: string) => text.replace(/\x1b\[[\d;]*m/g, "");
  for (const width of [20, 57, 100]) {
    const coloured = terminalRow(pieces, { colour: true, width });
    const marked = terminalRow(pieces, { colour: false, width });
    const joined = (text: string) => text.replaceAll(/[«»─]|\n/g, "");
    assert.equal(joined(bare(coloured)).slice(0, 200), joined(marked).slice(0, 200));
    for (const line of bare(coloured).split("\n")) assert.ok([...line].length <= width, line);
    const green = [...coloured.matchAll(/\x1b\[(?:32|30;42)m([^\x1b]*)\x1b/g)].map(([, text]) => text).join("");
    const between = [...marked.matchAll(/«([^»]*)»/g)].map(([, text]) => text!.replaceAll("\n", "")).join("");
    assert.equal(green, between);
    assert.match(between, /<think>↵Half\.↵<\/think>↵↵18<\|im_end\|>/);
  }
});

test("the summary counts what is trained on", async () => {
  const { lines, histogram } = summarise(examples, packedRows, LENGTH, "its own");
  const tokens = allOf(examples.segments).reduce((sum, segment) => sum + segment.tokens.length, 0);
  const supervised = allOf(examples.segments).flatMap((segment) => segment.supervised.filter(Boolean)).length;
  assert.deepEqual(lines.slice(2, 6), [
    ["rows", "4, which make 5 examples"],
    ["dropped", "1 longer than 300 tokens"],
    ["tokens", `${tokens}, of which ${supervised} are supervised (${((100 * supervised) / tokens).toFixed(1)} %)`],
    ["packing", `1 row of 300 tokens, ${((100 * tokens) / 300).toFixed(1)} % filled; 4.0 examples in a row`],
  ]);
  assert.equal(
    histogram.reduce((sum, { count }) => sum + count, 0),
    5,
  );
  for (const { from, to, count, fits } of histogram) {
    const lengths = all.map((segment) => segment.tokens.length);
    assert.equal(lengths.filter((length) => from <= length && length <= to).length, count);
    assert.equal(fits, to <= 300);
  }
});

test("distill inspect shows rows with plain marks where there is no terminal, and a row of the dataset by its number", async () => {
  const { code, out, err } = await distill("inspect", recipe, "--width", "80");
  assert.equal(code, 0, err);
  assert.doesNotMatch(out, /\x1b/);
  assert.match(
    out,
    /\nRow 1 of 1\n── row 2 · \d+ tokens, \d+ supervised ─+\n<\|im_start\|>user↵\nHalf of 36\?<\|im_end\|>↵\n/,
  );
  assert.match(out, /\n«2<\|im_end\|>»\n··· \d+ tokens of padding\n$/);
  const second = (await distill("inspect", recipe, "--row", "2")).out;
  assert.equal(second.match(/^Row 2 of the dataset, in row 1 of 1$/gm)?.length, 2, "one for each turn that is learned");
  assert.match(
    (await distill("inspect", recipe, "--row", "3")).out,
    /Row 3 of the dataset, which is too long and left out/,
  );
  assert.match(
    (await distill("inspect", recipe, "trainer.max_length=1000")).out,
    /dropped +0 longer than 1,000 tokens/,
  );
  assert.match(
    (await distill("inspect", recipe, "--row", "5")).err,
    /^Error: .*rows\.jsonl has 4 rows, and no row 5\.\n$/,
  );
  assert.match(
    (await distill("inspect", recipe, "--width", "wide")).err,
    /^Error: --width: expected a whole number\.\n$/,
  );
});

test("--html writes a page of the same that obeys nothing in the rows", async () => {
  const page = join(folder, "page.html");
  const { code, out, err } = await distill("inspect", recipe, "--html", page);
  assert.equal(code, 0, err);
  assert.match(out, /page\.html shows 1 of 1 rows/);
  const html = readFileSync(page, "utf8");
  assert.match(html, /Twice &lt;b&gt;\\u001b\[31m\\u202e\?/);
  assert.match(html, /<span class="special supervised">&lt;\|im_end\|&gt;<\/span>/);
  assert.doesNotMatch(html, /[\0-\x08\x0b-\x1f\u202e]|<script|https?:/);
});

test("no weights are needed: a folder without them will do, and a GGUF file is read for its tokenizer alone", async () => {
  const student = join(folder, "student");
  await writeStudent(student);
  const [file] = await gguf.create({ types: ["f32"] })({ folder: student }, join(folder, "gguf"));
  const bare = join(folder, "bare");
  mkdirSync(bare);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
    cpSync(join(student, name), join(bare, name));
  const shown = async (source: string) => {
    const path = join(folder, "weights.yaml");
    const dataset = { generate: { type: "arithmetic" }, rows: 20 };
    writeFileSync(path, stringify({ name: "w", output: "w", student: { path: source }, dataset }));
    const { code, out, err } = await distill("inspect", path);
    assert.equal(code, 0, err);
    return out;
  };
  assert.match(await shown(bare), /── row \d+ · \d+ tokens/);
  assert.equal(await shown(file!.path), await shown(bare));
});

test("where nothing has been sampled yet there is a sentence", async () => {
  const path = join(folder, "sampled.yaml");
  const teacher = { type: "llama_cpp", path: "teacher.gguf" };
  const sampling = { prompts: { path: "prompts.jsonl" } };
  const student = { config: { model_type: "llama" } };
  writeFileSync(
    path,
    stringify({
      name: "s",
      output: "s",
      student,
      tokenizer: "qwen3",
      teacher,
      sampling,
      rewards: [{ type: "format" }],
    }),
  );
  assert.match(
    (await distill("inspect", path)).err,
    /^Error: .*dataset is not there: nothing has been sampled yet\. Run distill sample first\.\n$/,
  );
});

test("options of rows and options of a student's own answers are not mixed up in silence", async () => {
  const reinforced = join(folder, "reinforced.yaml");
  writeFileSync(
    reinforced,
    stringify({
      name: "answers",
      student: { config: { model_type: "llama" } },
      tokenizer: "qwen3",
      rewards: [{ type: "accuracy" }],
      trainer: { type: "grpo", prompts: { path: "rows.jsonl" } },
    }),
  );
  for (const [args, sentence] of [
    [
      [recipe, "--generation", "2"],
      /--generation is of what a student writes .*the trainer sft learns from a dataset\. Give --row or --rows\./,
    ],
    [[reinforced, "--row", "2"], /--row is of rows of a dataset, and the trainer grpo .*Give --generation/],
    [[reinforced, "--html", "page.html"], /--html is of rows of a dataset/],
  ] as const) {
    const { code, err } = await distill("inspect", ...args);
    assert.equal(code, 1);
    assert.match(err, sentence);
  }
  const measured = await distill("plan", recipe, "--measure", "3");
  assert.equal(measured.code, 1);
  assert.match(measured.err, /--measure asks a teacher for answers, and shown has no sampling/);
  const { code, err } = await distill("inspect", recipe, "--trainer.max_length=64");
  assert.equal(code, 1);
  assert.match(
    err,
    /unknown option '--trainer\.max_length=64'\n\(A key of a recipe is given without dashes, behind the recipe: /,
  );
});
