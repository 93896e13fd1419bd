import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { stringify } from "yaml";
import { readLedger } from "../../src/data/ledger.ts";
import { sealFolder } from "../../src/store/seal.ts";
import { distill, startDistill } from "../support/cli.ts";
import { recipe, STORIES, STORIES_TEACHER, storiesRecipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

const PRECIOUS = '{"prompt":"1+1","completion":"2","answer":"2"}\n';

const short = { max_length: 128, max_steps: 2, logging_steps: 1, save_steps: 1, learning_rate: 0.003 };
const { path, output, folder } = recipe({ trainer: short });

before(async () => {
  const { code, err } = await distill("run", path);
  assert.equal(code, 0, err);
});

test("what a verb is to write never takes the place of a file that distill did not write", async () => {
  const rows = join(folder, "rows.jsonl");
  for (const args of [
    ["report", output, "--html", rows],
    ["inspect", path, "--html", rows],
    ["review", rows, "--export", rows],
    ["review", rows, "--argilla", rows],
  ]) {
    writeFileSync(rows, PRECIOUS);
    const { code, err } = await distill(...args);
    assert.equal(code, 1, args.join(" "));
    assert.match(
      err,
      /rows\.jsonl is there already, and is not .* It is not touched: give another name/,
      args.join(" "),
    );
    assert.equal(readFileSync(rows, "utf8"), PRECIOUS, args.join(" "));
  }
  // an earlier one of its own goes, unless somebody edited it
  for (const args of [
    ["report", output, "--html", join(folder, "page.html")],
    ["inspect", path, "--html", join(folder, "rows.html")],
    ["review", rows, "--export", join(folder, "decisions.jsonl")],
    ["review", rows, "--argilla", join(folder, "argilla.json")],
  ])
    for (let i = 0; i < 2; i++) assert.equal((await distill(...args)).code, 0, args.join(" "));
  appendFileSync(join(folder, "page.html"), "my notes");
  assert.equal((await distill("report", output, "--html", join(folder, "page.html"))).code, 1);
  assert.match(readFileSync(join(folder, "page.html"), "utf8"), /my notes$/);
});

test("what is no file takes what is written, and stays what it is", async () => {
  const rows = join(scratch(), "rows.jsonl");
  writeFileSync(rows, PRECIOUS);
  const pipe = join(scratch(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { code, err } = await distill("review", rows, "--argilla", pipe);
    assert.equal(code, 0, err);
    const read = Buffer.alloc(7);
    readSync(reader, read);
    assert.equal(read.toString(), '[{"id":');
    assert.ok(statSync(pipe).isFIFO());
  } finally {
    closeSync(reader);
  }
});

test("exports of decisions replace those that they hold, and no others", async () => {
  const rows = join(scratch(), "rows.jsonl");
  writeFileSync(rows, PRECIOUS);
  const file = `${rows}.decided`;
  const decision = (n: number) =>
    `${JSON.stringify({
      ...{ prompt_id: "a", sample: n, completion_hash: "x", reviewer: "Ada", decision: "keep" },
      ...{ edited: null, tags: [], note: null, time: "2026-01-01T00:00:00.000Z", undoes: null },
    })}\n`;
  writeFileSync(file, decision(1));
  assert.equal((await distill("review", rows, "--import", file)).code, 0);
  assert.equal((await distill("review", rows, "--export", file)).code, 0);
  appendFileSync(file, decision(2));
  const { code, err } = await distill("review", rows, "--export", file);
  assert.equal(code, 1);
  assert.match(err, /is not an export of these decisions/);
  assert.equal(readFileSync(file, "utf8"), decision(1) + decision(2));
});

test("a pipeline whose page or table would take the place of somebody's runs nothing", async () => {
  for (const name of ["report.html", "table.md"]) {
    const place = scratch();
    const pipeline = join(place, "pipeline.yaml");
    writeFileSync(pipeline, stringify({ name: "two", output: ".", steps: { one: { extends: path, output: null } } }));
    writeFileSync(join(place, name), "mine");
    const { code, err } = await distill("run", pipeline);
    assert.equal(code, 1, name);
    assert.ok(err.includes(`${name} is there already`), err);
    assert.deepEqual(readdirSync(place).sort(), ["pipeline.yaml", name].sort());
    rmSync(join(place, name));
    for (let i = 0; i < 2; i++) assert.equal((await distill("run", pipeline)).code, 0);
  }
});

test("what a run wrote and somebody edited is kept aside when it is written again", async () => {
  for (const name of ["README.md", "report.html"]) appendFileSync(join(output, name), "my notes\n");
  const { code, err } = await distill("run", path, "trainer.learning_rate=0.002");
  assert.equal(code, 0, err);
  for (const name of ["README.md", "report.html"]) {
    assert.match(err, new RegExp(`${name} is not what this run wrote there\\. It is kept as .*set-aside/${name}-1`));
    assert.match(readFileSync(join(output, "set-aside", `${name}-1`), "utf8"), /my notes\n$/);
    assert.doesNotMatch(readFileSync(join(output, name), "utf8"), /my notes/);
  }
  const again = await distill("run", path, "trainer.learning_rate=0.004");
  assert.equal(again.code, 0, again.err);
  assert.doesNotMatch(again.err, /It is kept as/);
});

test("a page that distill report made while a run went on does not end that run", async () => {
  const other = recipe({ trainer: short });
  assert.equal((await distill("sample", other.path)).code, 1); // it has no sampling, and no claim is left
  const stopped = await distill("train", other.path, "trainer.max_steps=1");
  assert.equal(stopped.code, 0, stopped.err);
  // as it is where the first run has not ended: the claim does not name the page
  const claim = join(other.output, ".distill/run.json");
  assert.ok(existsSync(claim));
  rmSync(join(other.output, "report.html"));
  rmSync(claim);
  assert.equal((await distill("report", other.output)).code, 0);
  const { code, err } = await distill("train", other.path, "trainer.max_steps=2");
  assert.equal(code, 0, err);
});

test("a run whose claim is lost goes on by what its manifest says, with another recipe, too", async () => {
  const other = recipe({ trainer: short });
  assert.equal((await distill("run", other.path)).code, 0);
  for (const lost of [".distill/run.json", ".distill"]) {
    rmSync(join(other.output, lost), { recursive: true });
    appendFileSync(join(other.output, "README.md"), "my notes\n");
    const { code, err } = await distill("run", other.path, `trainer.seed=${lost.length}`);
    assert.equal(code, 0, `${lost}: ${err}`);
    assert.match(err, /README\.md is not what this run wrote there/);
  }
});

test("no name leads out of the folder that it names", async () => {
  for (const name of [".", ".."]) {
    const { code, err } = await distill("plan", path, `name=${name}`);
    assert.equal(code, 1);
    assert.match(err, /name: only letters, digits/);
    assert.equal((await distill("init", name)).code, 1);
  }
  mkdirSync(join(folder, "models"), { recursive: true });
  const { code, err } = await distill(
    "plan",
    path,
    `evaluation={ prompts: { path: rows.jsonl }, models: [{ name: "..", type: llama_cpp, path: models }] }`,
  );
  assert.equal(code, 1);
  assert.match(err, /evaluation/);
});

test("examples that an earlier version kept, with less beside them, are made again", async () => {
  const other = recipe({ trainer: short });
  assert.equal((await distill("plan", other.path)).code, 0);
  assert.equal((await distill("train", other.path)).code, 0);
  const cache = join(other.output, ".distill/tokenized");
  const [key = ""] = readdirSync(cache);
  for (const name of ["findings.json", "artefact.json"]) rmSync(join(cache, key, name));
  sealFolder(join(cache, key), { run: "", key });
  const { code, err } = await distill("train", other.path, "trainer.max_steps=3");
  assert.equal(code, 0, err);
  assert.ok(existsSync(join(cache, key, "findings.json")));
});

test("a checkpoint that lost its seal does not stand in the way of a longer run", async () => {
  const other = recipe({ trainer: short });
  assert.equal((await distill("train", other.path, "trainer.max_steps=3")).code, 0);
  const [first = ""] = readdirSync(join(other.output, "checkpoints")).sort();
  rmSync(join(other.output, "checkpoints", first, "artefact.json"));
  const { code, err } = await distill("train", other.path, "trainer.max_steps=6");
  assert.equal(code, 0, err);
  assert.match(err, /has no seal of this run\. It is kept as .*set-aside/);
});

test("what was damaged since it was written is not talked to or pushed, and whoever else reads it is told", async () => {
  const other = recipe({
    trainer: short,
    export: [{ type: "gguf", types: ["f32"] }],
    parity: { prompts: 1, max_completion_length: 2 },
  });
  assert.equal((await distill("run", other.path)).code, 0);
  const student = join(other.output, "student");
  const gguf = join(other.output, "export/gguf/model-f32.gguf");
  const model = { [join(student, "model.safetensors")]: "student", [gguf]: "student-gguf-f32" };
  for (const file of Object.keys(model)) {
    const whole = readFileSync(file);
    const bytes = Buffer.from(whole);
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(file, bytes);
    for (const args of [
      ["push", other.output, "me/mine", "--dry-run"],
      ["chat", other.output, "--model", model[file]!],
    ]) {
      const { code, err } = await distill(...args);
      assert.equal(code, 1, args.join(" "));
      assert.match(err, /is not what was written: its sha256 differs\. Let the recipe that wrote .* make it again/);
    }
    const { code, err } = await distill("plan", path, `student={ path: ${file.replace("/model.safetensors", "")} }`);
    assert.equal(code, 0, err);
    assert.match(
      err,
      /is not what was written: its sha256 differs\. It is read as it is; if nobody changed it on purpose/,
    );
    writeFileSync(file, whole);
  }
  assert.equal((await distill("push", other.output, "me/mine", "--dry-run")).code, 0);
});

test("damage in what a teacher found likely is noticed, and that is scored again, with another recipe, too", async () => {
  const kd = storiesRecipe({
    device: "cpu",
    teacher: STORIES_TEACHER,
    dataset: { path: join(STORIES, "train.jsonl"), limit: 4, columns: { completion: "answer" } },
    trainer: { type: "kd", top_logprobs: 4, max_length: 320, max_steps: 2, learning_rate: 1e-3 },
  });
  assert.equal((await distill("train", kd.path)).code, 0);
  const [name = ""] = readdirSync(join(kd.output, "logprobs"));
  const file = join(kd.output, "logprobs", name, "data-00000.arrow");
  const bytes = readFileSync(file);
  bytes[bytes.length - 20]! ^= 4;
  writeFileSync(file, bytes);
  const { code, out, err } = await distill("train", kd.path, "trainer.max_steps=3");
  assert.equal(code, 0, err);
  assert.match(out, /logprobs: .*data-00000\.arrow is not what was written/);
  assert.match(err, /data-00000\.arrow is damaged: .* rows are lost\. The file stays as it is/);
  assert.match(out, /in 4 examples, 4 of them scored now/);
});

test("a module that ends the process, or never answers, is told of, and what was drawn by then is kept", async () => {
  const place = storiesRecipe({
    device: "cpu",
    teacher: STORIES_TEACHER,
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 6 },
      num_generations: 1,
      max_completion_length: 300,
    },
    rewards: [{ type: "accuracy" }, { type: "module", path: "rule.mjs" }],
  });
  for (const [i, end] of ["process.exit(0)", "process.exit(7)", "return new Promise(() => {})"].entries()) {
    const output = join(place.folder, `ended-${i}`);
    writeFileSync(
      join(place.folder, "rule.mjs"),
      `let n = 0; export default () => { if (++n === 4) ${end}; return { score: 1, reason: "${i}" }; };\n`,
    );
    const { code, err } = await startDistill(["sample", place.path, `output=${output}`, "--allow-modules"]).ended;
    assert.equal(code, i === 1 ? 7 : 1, err);
    assert.match(err, /Error: The work was ended from inside/);
    const [key = ""] = readdirSync(join(output, "samples"));
    const drawn = [...readLedger(join(output, "samples", key))].reduce((sum, { table }) => sum + table.numRows, 0);
    assert.ok(drawn >= 3, `${drawn} are kept`);
  }
});
