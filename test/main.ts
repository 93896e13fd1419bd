/**
 * @file npm test: runs the test files, in an order that keeps the processor busy to the end.
 *
 *     node .build/test/main.js             every test file
 *     node .build/test/main.js trainers    those with this in their path
 *     node .build/test/main.js --long      with the numbers of inputs, steps and kills that take long
 *     node .build/test/main.js --amx       as on a processor with AMX, whose instructions are run in software where it has none
 */

import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { availableParallelism, freemem, homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import { globSync } from "tinyglobby";
import { amxEnv } from "./support/amx.ts";
import { MORE_FLAGS } from "./support/chromium.ts";
import { LONG as LONG_RUN } from "./support/extent.ts";

/**
 * Files that take longest, the longest first: one that began last would have a core to itself at the end. Those that compute on
 * software Vulkan stand apart, the first of all before them: on a new machine each finds the shaders that those before it compiled.
 */
const LONG = [
  "runtime/webgpu",
  "faults/faults",
  "exporters/web",
  "models/hostile",
  "commands/countdown",
  "rewards/code",
  "runtime/half",
  "faults/grpo-kills",
  "commands/continued",
  "rewards/math/hostile",
  "commands/run",
  "trainers/trainers",
  "exporters/text-parity",
  "package/pack",
  "commands/lora",
  "trainers/interrupted",
  "commands/train",
  "rewards/busy",
  "commands/rendering",
  "commands/doctor",
  "data/chat-templates",
  "data/tokenizer",
  "runtime/webgpu-validation",
  "data/spoken",
  "exporters/gguf/types",
  "bench/gpu",
];

/**
 * Short files of these folders share a process, so many at a time, since Node's start, the modules that each loads and the code
 * that V8 has yet to compile take longer than most of their tests. They leave the process as they found it. What waits or
 * computes for long comes first.
 */
const TOGETHER: readonly (readonly [folders: string, files: number])[] = [
  ["teachers", 5],
  ["commands", 9],
  ["exporters", 8],
  ["models", 9],
  ["trainers", 9],
  ["compiler generation sampling", 16],
  ["rewards", 11],
  ["data", 12],
  ["core evaluation formats judging nn ops recipe store student tracking", 24],
];

/**
 * Test files are many short processes. V8 compiles a function a second time, for speed, once it has run for long, and clears
 * away what is young when it has made a few megabytes of it: both pay in long processes, and take a third of short ones.
 */
const V8 = ["--interrupt-budget=1000000", "--min-semi-space-size=16"];

/** Where Linux has files in memory. */
const MEMORY = "/dev/shm";

const FLAGS = ["--long", "--amx"];
const parts = process.argv.slice(2).filter((word) => !FLAGS.includes(word));
if (process.argv.includes("--long")) process.env[LONG_RUN] = "1";
const names = globSync("**/*.test.js", { cwd: import.meta.dirname }).map((name) => name.slice(0, -".test.js".length));
const lost = LONG.filter((name) => !names.includes(name));
if (lost.length > 0) throw new Error(`test/main.ts names files that are not there: ${lost.join(", ")}.`);
/** The index in TOGETHER of what a file shares a process with; TOGETHER's length where it has one of its own. */
function placeOf(name: string): number {
  const folder = name.split("/", 1)[0]!;
  const found = LONG.includes(name) ? -1 : TOGETHER.findIndex(([folders]) => folders.split(" ").includes(folder));
  return found < 0 ? TOGETHER.length : found;
}
const rest = names.filter((name) => !LONG.includes(name)).sort((a, b) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1));
const chosen = [...LONG, ...rest].filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)));
if (chosen.length === 0) throw new Error(`No test file has ${parts.join(" or ")} in its path.`);

process.env.TMPDIR = ownFolder();
if (process.argv.includes("--amx")) {
  const amx = amxEnv(process.env.TMPDIR);
  if ("missing" in amx) throw new Error(`--amx: ${amx.missing}.`);
  Object.assign(process.env, amx.env);
}
// what doctor or a sandbox kept for this user decides nothing here; models and compiled shaders stay where they are
const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
process.env.HF_HOME ||= join(caches, "huggingface");
process.env.MESA_SHADER_CACHE_DIR ||= caches;
process.env.XDG_CACHE_HOME = join(process.env.TMPDIR, "caches");
// on a new machine compiling shaders for software takes longer than tests take to run what is compiled: half as wide is less code
process.env.LP_NATIVE_VECTOR_WIDTH ||= "128";
// whoever asks software Vulkan computes, rather than wait for threads of its own: the cores have other files to run
process.env.LP_NUM_THREADS ||= "0";
// a page of the tests computes for seconds: V8 would compile 20 MB of WebAssembly a second time, for speed, in most of them
process.env[MORE_FLAGS] ||= "--js-flags=--liftoff-only";

// which each file's process is started with; maps of all modules are read at each start, so only where somebody looks at lines
process.execArgv.push(...(parts.length > 0 ? ["--enable-source-maps"] : []), ...V8);

const results = run({
  files: processesOf(chosen),
  concurrency: availableParallelism() + 2, // while some wait for a disk, a server or a clock, others compute
});
results.on("test:fail", ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
if (parts.length === 0)
  process.on("exit", (code) => {
    if (code !== 0) console.log("npm test -- PART-OF-ITS-PATH runs a file that failed with the lines of its source.");
  });
results.compose(new spec()).pipe(process.stdout);

/**
 * A folder for what tests write, which is gone with them: in memory, of which Linux has one, since those that write runs would
 * wait half of their time for a disk to keep what is thrown away; on the disk where memory is short. `npm run test:faults`
 * stays on the disk.
 */
function ownFolder(): string {
  const folder = mkdtempSync(join(hasMemory() ? MEMORY : tmpdir(), "distill-tests-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 }))
    process.on(signal, () => process.exit(code));
  return folder;
}

function hasMemory(): boolean {
  const needed = 4 * 2 ** 30;
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= needed && freemem() >= 2 * needed;
  } catch {
    return false;
  }
}

/** What is run, in its order: the files, and one that imports several that share a process in place of the first of these. */
function processesOf(names: readonly string[]): string[] {
  const processes: { place: number; members: string[] }[] = [];
  for (const name of names) {
    const place = placeOf(name);
    const [, files = 1] = TOGETHER[place] ?? [];
    const begun = processes.findLast((process) => process.place === place);
    if (begun && begun.members.length < files) begun.members.push(name);
    else processes.push({ place, members: [name] });
  }
  return processes.map(({ members }, i) => {
    const file = (name: string) => join(import.meta.dirname, `${name}.test.js`);
    if (members.length === 1) return file(members[0]!);
    const path = join(import.meta.dirname, "together", `${members[0]!.split("/", 1)[0]}-${i}.js`);
    mkdirSync(dirname(path), { recursive: true });
    const suites = members.map(
      (name) => `describe(${JSON.stringify(name)}, () => import(${JSON.stringify(pathToFileURL(file(name)).href)}));\n`,
    );
    writeFileSync(path, `import { describe } from "node:test";\n${suites.join("")}`);
    return path;
  });
}
