// Writes problems and worked solutions into this folder:
//   train.jsonl       everything to train on; easy.jsonl is the same without GSM8K
//   test.jsonl        held-back problems of MultiArith and SVAMP by the hash of their id, and a part of GSM8K's own test split
//   rationales.jsonl  conversations that a program writes: of GSM8K's own solutions, and of sums over the numbers of a problem
// The order is by hash too, so that any first n lines are a fair sample of all.
// node data/maths/make.mjs FOLDER, where FOLDER holds multiarith.jsonl, svamp.jsonl, gsm8k_train.jsonl and gsm8k_test.jsonl:
// lines of { id, prompt, answer }, and "solution" in GSM8K's.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alike, isSound, lastResult } from "./equations.mjs";
import { worked } from "./sums.mjs";

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
const tagged = (source, rows) =>
  rows.map(({ id, prompt, answer, solution }) => ({
    id: id.startsWith(source) ? id : `${source}-${id}`,
    prompt,
    answer,
    ...(solution ? { solution } : {}),
  }));
const sorted = (rows, salt = "") => rows.sort((a, b) => place(salt + a.id) - place(salt + b.id));
const split = (source, share) => {
  const rows = sorted(tagged(source, read(source)));
  const tests = Math.round(rows.length * share);
  return { test: rows.slice(0, tests), train: rows.slice(tests) };
};
const write = (name, rows) => {
  const lines = sorted(rows, "order ").map((row) => JSON.stringify(row));
  writeFileSync(new URL(`${name}.jsonl`, import.meta.url), `${lines.join("\n")}\n`);
  console.log(`${name}.jsonl: ${rows.length} problems`);
};

const multiarith = split("multiarith", 0.3);
const svamp = split("svamp", 0.2);
const easy = [...multiarith.train, ...svamp.train];
const gsm8k = {
  train: tagged("gsm8k", read("gsm8k_train")),
  test: sorted(tagged("gsm8k", read("gsm8k_test"))).slice(0, 120),
};
write("train", [...easy, ...gsm8k.train]);
write("easy", easy);
write("test", [...multiarith.test, ...svamp.test, ...gsm8k.test]);

/** Of GSM8K's solutions, two lines at most, all of whose equations are true, and which end at the answer. */
const short = gsm8k.train
  .map((row) => ({ ...row, solution: alike(row.solution) }))
  .filter(({ prompt, solution, answer }) => {
    const lines = solution.split("\n");
    const fits = lines.length <= 2 && solution.length <= 200 && prompt.length <= 240;
    return fits && lines.every(isSound) && lastResult(solution) === answer;
  });
const solved = easy.map((row) => ({ ...row, solution: worked(row.prompt, row.answer) })).filter(({ solution }) => solution);
write(
  "rationales",
  [...short.slice(0, 250), ...solved].map(({ id, prompt, answer, solution }) => ({
    id,
    prompt,
    messages: [
      { role: "user", content: prompt },
      { role: "assistant", content: `<think>\n${solution}\n</think>\nThe answer is ${answer}.` },
    ],
  })),
);
