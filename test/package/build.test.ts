import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { scratch } from "../support/students.ts";

/** A package of two modules that is built as this one is. Its program says something, waits for a line, and loads the other. */
function project(): string {
  const folder = scratch();
  for (const file of ["build.mjs", "package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"])
    cpSync(file, join(folder, file));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "src"));
  writeFileSync(
    join(folder, "src/cli.ts"),
    `console.log(\`begun \${process.argv.slice(2).join(" ")}\`);
process.stdin.once("data", async () => {
  const { late } = await import("./late.ts");
  console.log(late);
  process.exit(0);
});
`,
  );
  late(folder, "first");
  return folder;
}

/** All that was built, whatever the files are called. */
const programIn = (dist: string) =>
  readdirSync(dist)
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(dist, name), "utf8"))
    .join("");

const late = (folder: string, text: string) =>
  writeFileSync(join(folder, "src/late.ts"), `export const late = "${text}";\n`);

/** The program, begun: what it says next, and its end. */
async function begun(folder: string, ...args: string[]) {
  const child = spawn(process.execPath, ["build.mjs", "--run", ...args], { cwd: folder });
  let out = "";
  let err = "";
  child.stdout.on("data", (piece) => {
    out += piece;
  });
  child.stderr.on("data", (piece) => {
    err += piece;
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((done) =>
    child.on("close", (code) => done({ code, out, err })),
  );
  while (!out.includes("begun") && child.exitCode === null) await new Promise((wait) => setTimeout(wait, 20));
  return {
    finish: () => {
      child.stdin.write("go on\n");
      return ended;
    },
  };
}

test("two at once build once for both, and both run", async () => {
  const folder = project();
  const both = await Promise.all([begun(folder, "a", "b"), begun(folder, "c")]);
  const [first, second] = await Promise.all(both.map(({ finish }) => finish()));
  assert.deepEqual(first, { code: 0, out: "begun a b\nfirst\n", err: "" });
  assert.deepEqual(second, { code: 0, out: "begun c\nfirst\n", err: "" });
  assert.equal(readdirSync(join(folder, ".dist")).length, 1);
});

test("what runs keeps its modules when the sources change and are built beside it", async () => {
  const folder = project();
  const before = await begun(folder);
  late(folder, "second");
  const after = await begun(folder);
  execFileSync(process.execPath, ["build.mjs"], { cwd: folder });
  assert.equal((await after.finish()).out, "begun \nsecond\n");
  assert.equal((await before.finish()).out, "begun \nfirst\n");
});

test("nothing is built again, and dist is not touched, where nothing has changed", async () => {
  const folder = project();
  const build = () => execFileSync(process.execPath, ["build.mjs"], { cwd: folder });
  build();
  const made = statSync(join(folder, "dist")).ino;
  build();
  assert.equal(statSync(join(folder, "dist")).ino, made);
  late(folder, "second");
  build();
  assert.notEqual(statSync(join(folder, "dist")).ino, made);
  assert.match(programIn(join(folder, "dist")), /second/);
  assert.ok(existsSync(join(folder, "dist/late.d.ts")));
});

test("sources that do not compile leave dist as it was", () => {
  const folder = project();
  execFileSync(process.execPath, ["build.mjs"], { cwd: folder });
  writeFileSync(join(folder, "src/late.ts"), "export const late: number = 'text';\n");
  assert.throws(
    () => execFileSync(process.execPath, ["build.mjs"], { cwd: folder, encoding: "utf8", stdio: "pipe" }),
    ({ stdout }: { stdout: string }) => /late\.ts.*error TS2322/.test(stdout),
  );
  assert.match(programIn(join(folder, "dist")), /first/);
  assert.equal(readdirSync(join(folder, ".dist")).length, 1);
});
