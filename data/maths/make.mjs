// Splits grade-school word problems into train.jsonl and test.jsonl in this folder; easy.jsonl is train.jsonl without GSM8K,
// and rationales.jsonl has conversations made of GSM8K's own solutions: short ones, written alike, each line of which has
// an equation, each equation true.
// node data/maths/make.mjs FOLDER, where FOLDER holds multiarith.jsonl, svamp.jsonl, gsm8k_train.jsonl and gsm8k_test.jsonl:
// lines of { id, prompt, answer }. A problem of MultiArith and SVAMP is for testing by the hash of its id; of GSM8K's own
// test split a part is taken. The order is by hash too, so that any first n lines are a fair sample of all three.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
if (!folder) {
  console.error("Usage: node data/maths/make.mjs FOLDER (with multiarith, svamp, gsm8k_train and gsm8k_test .jsonl)");
  process.exit(1);
}
const read = (name) =>
  readFileSync(join(folder, `${name}.jsonl`), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const place = (id) => createHash("sha256").update(id).digest().readUInt32BE(0) / 2 ** 32;
const tagged = (source, rows) => rows.map(({ id, prompt, answer, solution }) => ({ id: id.startsWith(source) ? id : `${source}-${id}`, prompt, answer, ...(solution ? { solution } : {}) }));
const sorted = (rows, salt = "") => rows.sort((a, b) => place(salt + a.id) - place(salt + b.id));
const split = (source, share) => {
  const rows = sorted(tagged(source, read(source)));
  const tests = Math.round(rows.length * share);
  return { test: rows.slice(0, tests), train: rows.slice(tests) };
};
const multiarith = split("multiarith", 0.3);
const svamp = split("svamp", 0.2);
const gsm8k = { train: tagged("gsm8k", read("gsm8k_train")), test: sorted(tagged("gsm8k", read("gsm8k_test"))).slice(0, 120) };
const write = (name, rows, of = (row) => row) => {
  const lines = sorted(rows, "order ").map((row) => JSON.stringify(of(row)));
  writeFileSync(new URL(`${name}.jsonl`, import.meta.url), `${lines.join("\n")}\n`);
  console.log(`${name}.jsonl: ${rows.length} problems`);
};
write("train", [...multiarith.train, ...svamp.train, ...gsm8k.train]);
write("easy", [...multiarith.train, ...svamp.train]);
write("test", [...multiarith.test, ...svamp.test, ...gsm8k.test]);
/** 4x$3=12 → 4 * 3 = 12: one way of writing, so that a small model need not learn several. */
const alike = (solution) =>
  solution
    .replace(/\$\s*(?=[\d.])/g, "")
    .replace(/(?<=\d),(?=\d{3}\b)/g, "")
    .replace(/(?<=[\d)])\s*[x×](?=\s*[\d.(])/g, " * ")
    .replace(/(?<=[\d)])\s*([-+*/=])\s*(?=[\d.(])/g, " $1 ")
    .split("\n")
    .map((line) => line.replace(/[\s.,]*$/, "."))
    .join("\n");
const equations = (line) => [...line.matchAll(/(\(?[\d.][\d.() ]*(?: [-+*/] [\d.() ]+)+) = ([\d.]*\d)/g)];
const isTrue = ([, sum, result]) => {
  try {
    return Math.abs(Function(`return ${sum}`)() - Number(result)) < 1e-9; // digits, dots, brackets and operators only
  } catch {
    return false;
  }
};
const isSound = (line) => equations(line).length > 0 && equations(line).every(isTrue);
const rationales = gsm8k.train
  .map((row) => ({ ...row, solution: alike(row.solution) }))
  .filter(({ prompt, solution, answer }) => {
    const lines = solution.split("\n");
    const short = lines.length <= 3 && solution.length <= 200 && prompt.length <= 240;
    return short && lines.every(isSound) && equations(lines.at(-1)).at(-1)[2] === answer;
  });
write("rationales", rationales, ({ id, prompt, answer, solution }) => ({
  id,
  prompt,
  messages: [
    { role: "user", content: prompt },
    { role: "assistant", content: `<think>\n${solution}\n</think>\nThe answer is ${answer}.` },
  ],
}));
