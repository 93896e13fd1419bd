import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ownPackage } from "../../src/core/package.ts";
import { V8 } from "../support/cli.ts";
import { scratch } from "../support/students.ts";

/** A user's project, with the package as npm would unpack it; what it depends on is ours. */
const project = scratch();
const modules = join(project, "node_modules");
const installed = join(modules, "distill");
let files: string[];

before(() => {
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", project], {
    encoding: "utf8",
  });
  const [{ filename, files: listed }] = JSON.parse(packed.slice(packed.indexOf("["))) as [
    { filename: string; files: { path: string }[] },
  ];
  files = listed.map(({ path }) => path);
  mkdirSync(modules);
  execFileSync("tar", ["-xzf", filename], { cwd: project });
  renameSync(join(project, "package"), installed);
  for (const name of readdirSync("node_modules"))
    if (!name.startsWith(".")) symlinkSync(resolve("node_modules", name), join(modules, name));
});

const distill = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...V8, join(installed, "dist/cli.js"), ...args], {
    cwd: project,
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
};

test("the package has what is built, recipes and data, and nothing else", () => {
  const strays = files.filter(
    (path) =>
      !/^dist\/.*\.(js|d\.ts)$/.test(path) &&
      !/^(recipes|data)\//.test(path) &&
      !["README.md", "LICENSE", "package.json"].includes(path),
  );
  assert.deepEqual(strays, []);
  assert.ok(!files.some((path) => /test\.|\.map$/.test(path.replace(/^data\/.*/, ""))));
  for (const path of ["dist/cli.js", "dist/index.d.ts", "recipes/recipe.schema.json", "recipes/quickstart.yaml"])
    assert.ok(files.includes(path), path);
  // every file of data and recipes that is kept with the sources, and none that a run left there
  const kept = execFileSync("git", ["ls-files", "recipes", "data"], { encoding: "utf8" }).trim().split("\n");
  assert.deepEqual(files.filter((path) => /^(recipes|data)\//.test(path)).sort(), kept.sort());
});

test("what is packed is built from the sources as they are", () => {
  const built = resolve(import.meta.dirname, "../../dist");
  const made = (readdirSync(built, { recursive: true }) as string[]).filter((path) => /\.(js|ts)$/.test(path));
  assert.deepEqual(files.filter((path) => path.startsWith("dist/")).sort(), made.map((path) => `dist/${path}`).sort());
  for (const path of made)
    assert.equal(readFileSync(join(installed, "dist", path), "utf8"), readFileSync(join(built, path), "utf8"), path);
});

test("what is installed judges code in a process that may read nothing else of it, and so does what lies in the repository", () => {
  const program = (sum: string) => `\`\`\`python\ndef add(a, b):\n    return ${sum}\n\`\`\``;
  const built = pathToFileURL(resolve(import.meta.dirname, "../../dist/index.js")).href;
  for (const from of ["distill", built]) {
    writeFileSync(
      join(project, "judge.mjs"),
      `import { createRewards, judge } from ${JSON.stringify(from)};
const rewards = await createRewards([{ type: "code", engine: "wasm" }]);
const answer = JSON.stringify({ language: "python", assertions: ["assert add(1, 2) == 3"] });
for (const completion of ${JSON.stringify(["a + b", "a - b"].map(program))})
  console.log((await judge(rewards, { prompt: "", completion, answer })).verdict);
process.exit();
`,
    );
    const { stdout, stderr } = spawnSync(process.execPath, ["judge.mjs"], {
      cwd: project,
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(stdout, "correct\nincorrect\n", `${from} ${stderr}`);
  }
});

test("what is installed says its version, begins a recipe and plans it", () => {
  assert.equal(distill("--version").out.trim(), ownPackage().version);
  const begun = distill("init", "mine");
  assert.equal(begun.code, 0, begun.err);
  assert.match(
    readFileSync(join(project, "mine.yaml"), "utf8"),
    /^# yaml-language-server: \$schema=node_modules\/distill\/recipes\/recipe\.schema\.json\n[\s\S]*path: node_modules\/distill\/data\/models\/stories-base \}/,
  );
  const planned = distill("plan", "mine.yaml");
  assert.equal(planned.code, 0, planned.err);
  assert.match(planned.out, /train +runs: not run yet/);
});

test("a recipe that comes along can be planned where it is installed", () => {
  const { code, out, err } = distill("plan", "node_modules/distill/recipes/quickstart.yaml");
  assert.equal(code, 0, err);
  assert.match(out, /sample +runs/);
});

test("a project in TypeScript that imports it is checked against its types", () => {
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        module: "NodeNext",
        target: "ES2023",
        strict: true,
        noEmit: true,
        types: ["node"],
        skipLibCheck: false,
      },
      files: ["right.ts", "wrong.ts"],
    }),
  );
  const program = (
    seed: string,
  ) => `import { DistillError, loadTokenizer, type Tokenizer, readTrainingRows } from "distill";
export const tokens = (folder: string): number => {
  const tokenizer: Tokenizer = loadTokenizer(folder);
  return tokenizer.encode("text").length + ${seed};
};
export async function* completions(): AsyncGenerator<string> {
  for await (const read of readTrainingRows("rows.jsonl"))
    if ("row" in read && "completion" in read.row) yield read.row.completion;
}
export const failure: Error = new DistillError("a sentence");
`;
  writeFileSync(join(project, "right.ts"), program("1"));
  writeFileSync(join(project, "wrong.ts"), program("tokenizer"));
  const checked = spawnSync(resolve("node_modules/.bin/tsc"), ["-p", "."], { cwd: project, encoding: "utf8" });
  assert.match(checked.stdout, /^wrong\.ts\(4,\d+\): error TS.*\n$/, "one line, of the program that is wrong");
});
