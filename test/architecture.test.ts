import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ENGINE = ["graph", "ops", "nn", "models", "compiler", "runtime", "formats"];

const TOOLS = [
  "store",
  "data",
  "hub",
  "generation",
  "student",
  "rewards",
  "teachers",
  "judging",
  "sampling",
  "search",
  "trainers",
  "evaluation",
  "exporters",
  "tracking",
  "recipe",
];

/** Which folders of src each may import. Its own files and `core` are always allowed. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  store: [],
  formats: [],
  graph: [],
  ops: ["graph"],
  compiler: ["graph", "ops", "formats"],
  nn: ["graph", "ops"],
  models: ["graph", "ops", "nn", "formats"],
  runtime: ["graph", "ops", "compiler", "formats"],
  data: ["formats", "store"],
  hub: [],
  generation: ["graph", "ops", "nn", "models", "runtime", "data"],
  student: ["models", "data", "hub", "store", "formats"],
  rewards: [],
  teachers: ["data", "formats", "generation", "models", "runtime"],
  judging: ["teachers", "rewards", "data"],
  sampling: ["teachers", "rewards", "data"],
  search: ["teachers", "rewards", "data", "sampling"],
  trainers: [...ENGINE, "store", "data", "generation", "student", "rewards"],
  evaluation: [
    ...ENGINE,
    "store",
    "data",
    "generation",
    "trainers",
    "teachers",
    "rewards",
    "sampling",
    "search",
    "judging",
  ],
  exporters: [...ENGINE, "data", "generation", "teachers"],
  tracking: ["store", "formats"],
  recipe: [
    "tracking",
    "store",
    "data",
    "hub",
    "student",
    "trainers",
    "runtime",
    "rewards",
    "teachers",
    "judging",
    "sampling",
    "exporters",
    "evaluation",
  ],
  commands: [...ENGINE, ...TOOLS],
  "command-line.ts": ["commands"],
  "stopping.ts": [],
  "work.ts": ["command-line.ts", "stopping.ts"],
  "supervisor.ts": ["stopping.ts"],
  "cli.ts": ["supervisor.ts", "work.ts"],
  "index.ts": [...ENGINE, ...TOOLS],
};

/** The only folders that may import these packages. Node's own modules are free. */
const FENCED: Record<string, readonly string[]> = {
  zod: [
    "core",
    "store",
    "formats",
    "models",
    "data",
    "hub",
    "student",
    "rewards",
    "teachers",
    "judging",
    "sampling",
    "search",
    "trainers",
    "evaluation",
    "exporters",
    "tracking",
    "recipe",
    "commands",
  ],
  "apache-arrow": ["formats", "data"],
  protobufjs: ["formats"],
  "onnxruntime-node": ["runtime"],
  koffi: ["runtime"],
  "@huggingface/tokenizers": ["data"],
  "@huggingface/jinja": ["data"],
  "@huggingface/hub": ["hub"],
  "node-llama-cpp": ["teachers"],
  "@huggingface/transformers": ["teachers", "exporters"],
  undici: ["teachers"],
  "@pydantic/genai-prices": ["teachers"],
  "quickjs-emscripten": ["rewards"],
  pyodide: ["rewards"],
  "eld/small": ["rewards"],
  hyparquet: ["data"],
  "hyparquet-compressors": ["data"],
  "csv-parse": ["data"],
  tinyglobby: ["data"],
  fzstd: ["data", "formats"],
  "lz4-napi": ["formats"],
  yaml: ["recipe", "data"],
  commander: ["command-line.ts"],
};

const sources = (readdirSync("src", { recursive: true }) as string[])
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const code = readFileSync(`src/${path}`, "utf8");
    const imports = [...code.matchAll(/(?:\bfrom\s+|\bimport(?:\(\s*|\s+))"([^"]+)"/g)].map(([, target]) => target!);
    return { path, folder: path.split("/")[0]!, code, imports };
  });

test("folders import only what the table allows", () => {
  for (const { path, folder, imports } of sources) {
    assert.ok(MAY_IMPORT[folder], `src/${folder} is not in the table`);
    for (const target of imports) {
      const to = /^\.\.?\/(?:\.\.\/)*([\w.-]+)/.exec(target)?.[1];
      if (!target.startsWith(".")) continue;
      const inside = !target.startsWith("../") && path.includes("/");
      const sameFolder =
        inside || (target.startsWith("../") && path.split("/").length > 2 && !target.startsWith("../../"));
      assert.ok(
        sameFolder || to === "core" || MAY_IMPORT[folder]!.includes(to!),
        `src/${path} may not import ${target}`,
      );
    }
  }
});

test("what threads and processes begin with is named where the build finds it", () => {
  for (const { path, code } of sources) {
    const named = [...code.matchAll(/\bmoduleUrl\(([^)]*)\)/g)].map(([, target]) => target!);
    for (const target of named.filter(() => path !== "core/modules.ts")) {
      assert.match(target, /^"[^"]+"$/, `src/${path} names a module that the build does not find`);
      assert.ok(existsSync(join("src", target.slice(1, -1).replace(/\.js$/, ".ts"))), `src/${path}: ${target}`);
    }
    const own = code.replace(/createRequire\(import\.meta\.url\)/g, "");
    // what a page runs is a text here
    const free = ["core/modules.ts", "core/package.ts", "exporters/web/scripts.ts"].includes(path);
    assert.ok(free || !/import\.meta/.test(own), `src/${path}: several modules become one file, so take moduleUrl`);
  }
});

test("third-party packages are imported only by the folders that own them", () => {
  for (const { path, folder, imports } of sources)
    for (const target of imports) {
      if (target.startsWith(".") || target.startsWith("node:")) continue;
      const owners = FENCED[target];
      assert.ok(owners?.includes(folder), `src/${path} may not import ${target}`);
    }
});

test("folders are made, and files opened to be read, where what is no file or leads nowhere is told of", () => {
  for (const { path, code } of sources)
    if (!path.startsWith("core/"))
      assert.doesNotMatch(code, /mkdirSync|openSync\([^;]*, "r"\)/, `src/${path}: take makeFolder or openFile`);
  for (const { path, folder, code } of sources)
    if (["store", "data", "trainers", "hub", "tracking"].includes(folder))
      for (const [, what] of code.matchAll(/readFileSync\(([^,)]*)/g))
        assert.match(what!, /\/proc\//, `src/${path}: take readFile`);
});

test("imports form no cycle between folders", () => {
  const visiting = new Set<string>();
  const visit = (folder: string): void => {
    assert.ok(!visiting.has(folder), `${[...visiting, folder].join(" → ")} is a cycle`);
    visiting.add(folder);
    for (const next of MAY_IMPORT[folder] ?? []) visit(next);
    visiting.delete(folder);
  };
  for (const folder of Object.keys(MAY_IMPORT)) visit(folder);
});
