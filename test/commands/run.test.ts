import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeDataset } from "../../src/data/dataset-folder.ts";
import { type Draw, readTraces, type Trace, tracesTable } from "../../src/data/traces.ts";
import { openRunFolder } from "../../src/store/run-folder.ts";
import { COMMAND, distill, withEnvironment } from "../support/cli.ts";
import { MODELS, STORIES, STORIES_TEACHER, storiesRecipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";
import { drawsIn } from "../support/traces.ts";

/** The quickstart's models on a handful of its problems, in a folder of its own. */
const recipe = (changes: Record<string, unknown> = {}) =>
  storiesRecipe({
    teacher: STORIES_TEACHER,
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 8 },
      num_generations: 2,
      temperature: 1,
      max_completion_length: 320,
    },
    rewards: [{ type: "accuracy" }, { type: "format", at_least: 1 }],
    trainer: { max_length: 320, max_steps: 4, save_steps: 1, learning_rate: 0.001, per_device_train_batch_size: 2 },
    export: [
      { type: "gguf", types: ["q8_0"] },
      { type: "onnx", dtypes: ["q8"] },
    ],
    parity: { prompts: 1, max_completion_length: 8 },
    evaluation: {
      prompts: { path: join(STORIES, "test.jsonl"), limit: 3 },
      num_generations: 2,
      max_completion_length: 64,
    },
    ...changes,
  });

const keys = (traces: Iterable<Draw>) => [...traces].map(({ prompt_id, sample }) => `${prompt_id}/${sample}`);

test("a recipe runs from the teacher's traces to measured exports, and then only what changed", async () => {
  const { path, output } = recipe();
  const first = await distill("run", path);
  assert.equal(first.code, 0, first.err);
  const traces = [...readTraces(join(output, "traces"))];
  assert.equal(new Set(keys(traces)).size, 16);
  for (const trace of traces) {
    assert.match(trace.teacher_hash!, /^[0-9a-f]{64}$/);
    assert.ok(trace.completion.startsWith("<think>") && trace.token_ids.length > 20 && trace.reasoning);
    assert.equal(trace.accepted, trace.verdict === "correct" && trace.rewards.format === 1);
  }
  assert.notEqual(traces[0]!.seed, traces[1]!.seed);
  const { models } = JSON.parse(readFileSync(join(output, "evaluation", "report.json"), "utf8"));
  assert.deepEqual(
    models.map(({ name }: { name: string }) => name),
    ["base", "teacher", "student", "student-gguf-q8_0", "student-onnx-q8"],
  );
  for (const { k, problems, bytes, tokens_per_s } of models)
    assert.ok(k === 2 && problems === 3 && bytes > 1e5 && tokens_per_s > 0);
  assert.match(readFileSync(join(output, "evaluation", "report.md"), "utf8"), /\| student-gguf-q8_0 \|/);
  const parity = JSON.parse(readFileSync(join(output, "export", "parity.json"), "utf8"));
  assert.ok(parity.every(({ mean_kl }: { mean_kl: number }) => mean_kl < 0.01));

  assert.match(first.out, /stories-teacher-q8_0\.gguf runs on the CPU; 8 sequences of \d+ tokens in \d+ MB\./);
  const { sample, evaluate } = JSON.parse(readFileSync(join(output, "manifest.json"), "utf8")).stages;
  assert.deepEqual([sample.result.placement.backend, sample.result.placement.sequences], ["cpu", 8]);
  assert.equal(evaluate.result.placements["student-gguf-q8_0"].backend, "cpu");

  assert.match((await distill("run", path)).out, /Everything was up to date/);
  assert.match(
    (await distill("plan", path, "trainer.learning_rate=0.002")).out,
    /sample +up to date[\s\S]*train +runs: .*0\.001 to 0\.002/,
  );
  const again = await distill("train", path, "trainer.learning_rate=0.002");
  assert.match(again.out, /sample: up to date[\s\S]*select: up to date[\s\S]*train: /);
  const stricter = await distill("sample", path, "rewards=[{type: accuracy}, {type: tag_count, at_least: 5}]");
  assert.equal(stricter.code, 1);
  assert.match(stricter.err, /No trace was accepted/);
  assert.deepEqual(keys(readTraces(join(output, "traces"))), keys(traces), "judged again, not drawn again");
});

/** What is drawn in so few tokens ends with none of them, and there is nothing to train on. */
const ALL_CUT =
  /Error: All of the 80 accepted traces were cut at their limit of tokens, .*Raise sampling\.max_completion/;

test("sampling that is killed twice goes on, and each sample of each prompt is there once", async () => {
  const { path, output } = recipe({
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 40 },
      num_generations: 2,
      max_completion_length: 48,
    },
    rewards: [{ type: "soft_overlong" }],
  });
  for (const part of [1, 2]) {
    const child = spawn(process.execPath, [...COMMAND, "sample", path], { stdio: "ignore" });
    const ended = new Promise((done) => child.on("exit", done));
    const enough = () => drawsIn(output).length >= 20 * part;
    while (!enough() && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
    child.kill("SIGKILL");
    await ended;
  }
  assert.match((await distill("sample", path)).err, ALL_CUT);
  const drawn = drawsIn(output);
  assert.equal(drawn.length, 80);
  assert.deepEqual(keys(readTraces(join(output, "traces"))), keys(drawn));
  assert.equal(new Set(keys(drawn)).size, 80);
  const whole = recipe({
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 40 },
      num_generations: 2,
      max_completion_length: 48,
    },
    rewards: [{ type: "soft_overlong" }],
  });
  assert.match((await distill("sample", whole.path)).err, ALL_CUT);
  const texts = (folder: string) =>
    new Map(drawsIn(folder).map((trace) => [`${trace.prompt_id}/${trace.sample}`, trace.completion]));
  assert.deepEqual(new Map([...texts(output)].sort()), new Map([...texts(whole.output)].sort()));
});

/** Sample 8,000 short completions, and send a signal once some are on the disk. Returns the exit code. */
async function stopped(signal: NodeJS.Signals): Promise<{ code: number | null; output: string }> {
  const { path, output } = recipe({
    sampling: { prompts: { path: join(STORIES, "train.jsonl") }, num_generations: 4, max_completion_length: 8 },
    rewards: [{ type: "soft_overlong" }],
  });
  const child = spawn(process.execPath, [...COMMAND, "run", path], { stdio: "ignore" });
  const ended = new Promise<number | null>((done) => child.on("exit", done));
  while (drawsIn(output).length === 0 && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
  child.kill(signal);
  return { code: await ended, output };
}

test("Ctrl-C while sampling keeps what was drawn, and ends with code 130", async () => {
  const { code, output } = await stopped("SIGINT");
  assert.equal(code, 130);
  const drawn = drawsIn(output);
  assert.ok(drawn.length > 0 && drawn.length < 8000);
  assert.equal(new Set(keys(drawn)).size, drawn.length);
});

test("a full disk while sampling is one sentence, and what was there before is kept", async () => {
  const { path, output } = recipe({
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 4 },
      num_generations: 2,
      max_completion_length: 320,
    },
  });
  // no file may grow beyond 12 blocks of 1 KiB, which is what a full disk looks like to a writer
  const survive = `data:text/javascript,process.on("SIGXFSZ", () => {})`;
  const command = COMMAND.map((word) => `"${word}"`).join(" ");
  const limited = `ulimit -f 12; exec "${process.execPath}" --import '${survive}' ${command} sample "${path}"`;
  const result = (() => {
    try {
      return { status: 0, stderr: execFileSync("bash", ["-c", limited], { encoding: "utf8", stdio: "pipe" }) };
    } catch (error) {
      return error as { status: number; stderr: string };
    }
  })();
  assert.equal(result.status, 1, result.stderr);
  assert.match(result.stderr, /Error: Cannot write .*samples.*(EFBIG|too large).*What was there before is kept/);
  assert.doesNotMatch(result.stderr, /\n\s+at /);
  assert.equal((await distill("sample", path)).code, 0);
  assert.equal([...readTraces(join(output, "traces"))].length, 8);
});

/** What each shard says of itself, and the temperatures of its rows. */
const temperatures = (output: string) => [...new Set(drawsIn(output).map(({ temperature }) => temperature))].sort();

test("going back to earlier settings uses what was drawn under them, and nothing is mixed", async () => {
  const sampling = {
    prompts: { path: join(STORIES, "train.jsonl"), limit: 4 },
    num_generations: 1,
    max_completion_length: 300,
  };
  const { path, output } = recipe({ sampling: { ...sampling, temperature: 0.6 }, rewards: [{ type: "tag_count" }] });
  const traces = () => [...readTraces(join(output, "traces"))];
  const first = await distill("sample", path);
  assert.equal(first.code, 0, first.err);
  const cold = traces();
  for (const [temperature, drawn] of [
    [1.5, true],
    [0.6, false],
    [1.5, false],
  ] as const) {
    const { code, out, err } = await distill("sample", path, `sampling.temperature=${temperature}`);
    assert.equal(code, 0, err);
    assert.equal(/sample trace [1-9]/.test(out + err), drawn && /sample trace/.test(out + err));
    assert.deepEqual(new Set(traces().map((trace) => trace.temperature)), new Set([temperature]));
    if (temperature === 0.6) assert.deepEqual(traces(), cold);
  }
  assert.equal(drawsIn(output).length, 8, "each once");
  assert.deepEqual(temperatures(output), [0.6, 1.5]);

  // more samples and more prompts draw only what is not there
  const more = await distill("sample", path, "sampling.num_generations=2", "sampling.prompts.limit=5");
  assert.equal(more.code, 0, more.err);
  assert.equal(drawsIn(output).length, 8 + 4 + 2);
  assert.equal(traces().length, 10);
  const less = await distill("sample", path);
  assert.equal(less.code, 0, less.err);
  assert.deepEqual(keys(traces()).sort(), keys(cold).sort());

  // without the manifest what was drawn is still known by its key
  rmSync(join(output, "manifest.json"));
  assert.equal((await distill("sample", path, "sampling.temperature=1.5")).code, 0);
  assert.equal(drawsIn(output).length, 14);
});

test("a model that is asked through another template is measured anew, and one that is asked as before is not", async () => {
  const folder = scratch();
  const base = join(folder, "base");
  cpSync(join(MODELS, "stories-base"), base, { recursive: true });
  const config = JSON.parse(readFileSync(join(base, "tokenizer_config.json"), "utf8"));
  writeFileSync(join(base, "tokenizer_config.json"), JSON.stringify({ ...config, chat_template: undefined }));
  const { path, output } = recipe({
    student: { path: base },
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 2 },
      num_generations: 1,
      max_completion_length: 320,
    },
    rewards: [{ type: "soft_overlong" }],
    trainer: { max_length: 320, max_steps: 1 },
    export: [],
    evaluation: {
      prompts: { path: join(STORIES, "test.jsonl"), limit: 1 },
      num_generations: 1,
      max_completion_length: 8,
      models: ["base"],
    },
  });
  const asked = async (...overrides: string[]) => {
    const { code, out, err } = await distill("run", path, ...overrides);
    assert.equal(code, 0, err);
    const [{ prompt, prompt_text }] = [...readTraces(join(output, "evaluation/traces/base"))] as [Trace, ...Trace[]];
    return { text: prompt_text.replace(prompt, "…"), opened: /base runs on the CPU/.test(out) };
  };
  assert.deepEqual(await asked(), { text: "…", opened: true });
  const other = `teacher.chat_template=${JSON.stringify("{% for m in messages %}Q: {{ m.content }}{% endfor %}<think>")}`;
  assert.deepEqual(await asked(other), { text: "Q: …<think>", opened: true });
  assert.deepEqual(await asked(other, "trainer.learning_rate=0.002"), { text: "Q: …<think>", opened: false });
});

test("a row that cannot be asked, and one that a rule fails on, are verdicts with a reason, and the others are kept", async () => {
  const folder = scratch();
  const line = (id: string, prompt: string) => `${JSON.stringify({ id, prompt, answer: "1" })}\n`;
  writeFileSync(
    join(folder, "prompts.jsonl"),
    line("short", "Tom has 3 apples.") + line("long", "apple ".repeat(2000)) + line("odd \u2028", "Ann has 2 pears."),
  );
  writeFileSync(
    join(folder, "fussy.mjs"),
    `export default ({ prompt }) => { if (prompt.startsWith("Ann")) throw new Error("no pears"); return { score: 1, reason: "ok" }; };`,
  );
  const { path, output } = recipe({
    sampling: { prompts: { path: join(folder, "prompts.jsonl") }, num_generations: 1, max_completion_length: 300 },
    rewards: [{ type: "module", path: join(folder, "fussy.mjs") }],
  });
  const refused = await distill("sample", path);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /fussy\.mjs is a program, and would run with your rights.*--allow-modules/);
  const config = join(folder, "config");
  mkdirSync(join(config, "distill"), { recursive: true });
  writeFileSync(join(config, "distill", "allowed-modules"), `# mine\n${folder}\n`);
  const run = (...more: string[]) =>
    withEnvironment({ XDG_CONFIG_HOME: config }, () => distill("sample", path, ...more));
  const { code, err } = await run();
  assert.equal(code, 0, err);
  assert.match(err, /Prompt "long" was not asked: The prompt has \d+ tokens/);
  const rows = new Map([...readTraces(join(output, "traces"))].map((trace) => [trace.prompt_id, trace]));
  assert.equal(rows.get("short")!.accepted, true);
  const long = rows.get("long")!;
  assert.deepEqual([long.verdict, long.finish_reason, long.accepted], ["infra_error", "error", false]);
  assert.match(long.reason, /leaves no room for a completion/);
  const odd = rows.get("odd \u2028")!;
  assert.equal(odd.verdict, "infra_error");
  assert.match(odd.reason, /no pears/);
  assert.equal((await run("sampling.num_generations=2")).code, 0);
  assert.equal(drawsIn(output).length, 6);
});

test("of a folder that an earlier version made, traces are taken over, what its stages wrote is kept, and the rest is not touched", async () => {
  const small = {
    sampling: {
      prompts: { path: join(STORIES, "train.jsonl"), limit: 3 },
      num_generations: 2,
      max_completion_length: 300,
    },
  };
  const source = recipe(small);
  assert.equal((await distill("sample", source.path)).code, 0);
  const drawn = [...readTraces(join(source.output, "traces"))];
  const { path, output } = recipe(small);
  const old = {
    name: "small",
    recipe: {},
    versions: { distill: "0.1.0" },
    stages: { sample: {}, judge: {}, select: {} },
  };
  mkdirSync(join(output, "student"), { recursive: true });
  writeFileSync(join(output, "student", "mine"), "precious");
  writeFileSync(join(output, "manifest.json"), JSON.stringify(old));
  // one of other settings among them, as a run that was killed at the wrong moment left it, and one with a turn that the
  // teacher's template does not write, and a student's may
  const system = { role: "system", content: "Think." };
  const mixed = drawn.map((trace, i) => {
    if (i === 0) return { ...trace, temperature: 0.3 };
    return i === 1 ? { ...trace, messages: [system, ...trace.messages] } : trace;
  });
  await writeDataset(join(output, "traces"), [tracesTable(mixed)]);
  // of runs that were killed before a first trace, and within one
  mkdirSync(join(output, "traces-0a"));
  cpSync(join(output, "traces"), join(output, "traces-0b"), { recursive: true });
  truncateSync(join(output, "traces-0b", "data-00000.arrow"), 300);
  const { code, out, err } = await distill("sample", path);
  assert.equal(code, 0, err);
  assert.match(err, /traces-0b.* What cannot be read there is drawn again\./);
  assert.match(out, /4 traces of an earlier version's run were drawn as is asked now/);
  assert.deepEqual(keys(readTraces(join(output, "traces"))).sort(), keys(drawn).sort());
  assert.deepEqual(temperatures(output), [0.6]);
  for (const { messages } of readTraces(join(output, "traces"))) assert.equal(messages.length, 1);
  assert.equal([...readTraces(join(output, "set-aside/earlier/traces"))].length, 6);
  assert.equal(readFileSync(join(output, "student", "mine"), "utf8"), "precious");
  const { code: trained, err: refusal } = await distill("train", path);
  assert.equal(trained, 1);
  assert.match(refusal, /student was not written by this run, and is not touched/);
});

test("a student is never its own base, and a run reads nothing that it writes", async () => {
  const { path, output } = recipe();
  for (const [override, name] of [
    [`student.path=${output}/student`, "student"],
    [`tokenizer=${output}/student`, "student"],
    [`teacher.path=${output}/export/gguf/model-q8_0.gguf`, "export"],
    [`sampling.prompts.path=${output}/traces`, "traces"],
  ] as const) {
    const { code, err } = await distill("run", path, override);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`lies in .*run/${name}, which this run writes itself`));
    assert.ok(!existsSync(output));
  }
});

test("SIGTERM and SIGHUP stop as Ctrl-C does, with the codes that shells expect", async () => {
  for (const [signal, expected] of [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    assert.equal((await stopped(signal)).code, expected);
});

const prompts = (folder: string, lines: string): Record<string, unknown> => {
  writeFileSync(join(folder, "prompts.jsonl"), lines);
  return { prompts: { path: join(folder, "prompts.jsonl") }, max_completion_length: 8 };
};

const BAD: [name: string, change: (folder: string) => Record<string, unknown>, message: RegExp][] = [
  [
    "a GGUF file that is cut short",
    (folder) => {
      const path = join(folder, "cut.gguf");
      copyFileSync(join(MODELS, "stories-teacher-q8_0.gguf"), path);
      truncateSync(path, 1_000_000);
      return { teacher: { type: "llama_cpp", path, gpu: false } };
    },
    /cut\.gguf .*(cut short|ends)/,
  ],
  [
    "a file that is no GGUF",
    (folder) => {
      writeFileSync(join(folder, "no.gguf"), "not a model, not even a little");
      return { teacher: { type: "llama_cpp", path: join(folder, "no.gguf"), gpu: false } };
    },
    /no\.gguf is (no|not a) .*GGUF/,
  ],
  [
    "a teacher that is not there",
    () => ({ teacher: { type: "llama_cpp", path: "gone.gguf" } }),
    /teacher's file not found: .*gone\.gguf/,
  ],
  [
    "a prompts file with a bad line",
    (folder) => ({ sampling: prompts(folder, '{"prompt":"a","answer":"1"}\n{"ask":"b"}\n') }),
    /prompts\.jsonl, line 2 has ask\. Expected "prompt" \(text\)/,
  ],
  [
    "a prompts file with the same id twice",
    (folder) => ({
      sampling: prompts(folder, '{"id":1,"prompt":"a","answer":"1"}\n{"id":1,"prompt":"b","answer":"2"}\n'),
    }),
    /line 2: the id "1" was there before/,
  ],
  [
    "prompts without answers where accuracy is asked",
    (folder) => ({ sampling: prompts(folder, '{"prompt":"a","answer":"1"}\n{"prompt":"b"}\n') }),
    /1 of 2 prompts of .*prompts\.jsonl have no answer \(the first: "line-2"\), and the reward accuracy/,
  ],
  [
    "a reward that does not exist",
    () => ({ rewards: [{ type: "lenght" }] }),
    /rewards\[0\]\.type: unknown "lenght" \(did you mean "length"\?\)/,
  ],
  ["sampling without a teacher", () => ({ teacher: undefined }), /teacher: sampling needs a teacher/],
  [
    "a model to measure that is not made",
    () => ({
      evaluation: { prompts: { path: join(STORIES, "test.jsonl"), limit: 1 }, models: ["student-gguf-q3"] },
      export: [],
      trainer: { max_length: 320, max_steps: 1 },
    }),
    /evaluation\.models names "student-gguf-q3"/,
  ],
];

for (const [name, change, message] of BAD)
  test(`${name} is one sentence and code 1`, async () => {
    const { path, folder } = recipe();
    const whole = recipe(change(folder));
    const { code, err } = await distill("run", whole.path);
    assert.equal(code, 1, err);
    assert.match(err, message);
    assert.doesNotMatch(err, /\n\s+at /, "no stack");
    assert.deepEqual(drawsIn(whole.output), [], "nothing was drawn");
    assert.ok(existsSync(path));
  });

test("the output folder of another recipe is left alone", async () => {
  const { path, output } = recipe();
  (await openRunFolder(output, "precious")).close();
  assert.match((await distill("run", path)).err, /belongs to the recipe "precious"\. Give "small" another output/);
});
