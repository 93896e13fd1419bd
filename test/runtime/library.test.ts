import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { packageTree, type Tree } from "../support/package-tree.ts";
import { recipe } from "../support/recipes.ts";

const PLACE = join("bin", "napi-v6", process.platform, process.arch);
const OWN = resolve("node_modules/onnxruntime-node", PLACE);
const LIBRARY =
  process.platform === "linux" ? readdirSync(OWN).find((name) => /^libonnxruntime\.so\.\d+$/.test(name)) : undefined;
const skip = LIBRARY ? false : "the library's name is another one here";
const compiler = spawnSync("cc", ["--version"]).status === 0;
const { version } = JSON.parse(readFileSync("node_modules/onnxruntime-node/package.json", "utf8"));

const { path, folder } = recipe();
const top = /onnxruntime-node[\\/](bin|lib|script)$/;
const tree = packageTree(["onnxruntime-node"], (path) => top.test(path));
const place = join(tree.package("onnxruntime-node"), PLACE);
mkdirSync(place, { recursive: true });

/** A library that says it is ONNX Runtime of some version, and has these tables. */
const library = (version: string, table: string) => (to: string) => {
  const source = join(folder, "ort.c");
  writeFileSync(
    source,
    `#include <stddef.h>
static const void *api(unsigned version) { return ${table}; }
static const char *version(void) { return "${version}"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = { api, version };
const void *OrtGetApiBase(void) { return &base; }
`,
  );
  const { status, stderr } = spawnSync("cc", ["-shared", "-fPIC", "-o", to, source], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
};

const WRONG: [what: string, make: (to: string) => unknown, said: RegExp, needs?: boolean][] = [
  [
    "that is not there",
    (to) => rmSync(to, { force: true }),
    /has no library of ONNX Runtime for linux \w+: .* holds none\. It ships/,
  ],
  [
    "of another version",
    library("1.20.1", "NULL"),
    new RegExp(
      `is ONNX Runtime 1\\.20\\.1, and onnxruntime-node beside it is ${version.replaceAll(".", "\\.")}\\. Install it again: npm ci\\.`,
    ),
    compiler,
  ],
  [
    "without the table of functions",
    library(version, "NULL"),
    /has no API of version \d+\. Install the onnxruntime-node that package\.json names\./,
    compiler,
  ],
  [
    "that is another library",
    (to) => copyFileSync(libc(), to),
    /cannot be loaded: .*OrtGetApiBase.* Install it again: npm ci\./,
    existsSync(libc()),
  ],
  [
    "that is cut short",
    (to) => {
      copyFileSync(join(OWN, LIBRARY!), to);
      truncateSync(to, 100_000);
    },
    /is cut short: it has 100000 bytes, and is \d+ long\. Install it again: npm ci\./,
  ],
  [
    "that is no library",
    (to) => writeFileSync(to, "not a library, not even a little"),
    /cannot be loaded: .* Install it again: npm ci\./,
  ],
];

function libc(): string {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  return sharedObjects.find((path) => /libc\.so/.test(path)) ?? "";
}

test("a library of ONNX Runtime that is not there ends a command in a sentence", { skip }, () => {
  const { code, err } = tree.distill("train", path);
  assert.equal(code, 1, err);
  assert.match(err, /^Error: .* has no library of ONNX Runtime .*\n$/);
});

for (const [what, make, said, possible = true] of WRONG)
  test(
    `a library of ONNX Runtime ${what} is a sentence`,
    { skip: skip || (possible ? false : "needs a C compiler, or glibc") },
    () => {
      make(join(place, LIBRARY!));
      const { code, err } = tree.openDevice("cpu");
      assert.equal(code, 1, err);
      assert.match(err, said);
      assert.match(err, /^Error: .*\n$/);
    },
  );

test("without ONNX Runtime, what needs none of it works", { skip }, () => {
  rmSync(join(place, LIBRARY!), { force: true });
  worksWithout(tree);
});

test("without koffi's binary the runtime says so, and what needs none of it works", () => {
  const tree = packageTree(["koffi", join("@koromix", `koffi-${process.platform}-${process.arch}`)], (path) =>
    path.endsWith(".node"),
  );
  const { code, err } = tree.distill("train", path);
  assert.equal(code, 1, err);
  assert.match(
    err,
    /^Error: ONNX Runtime cannot be called on \w+ \w+: the package koffi has no binary for it \(.*\)\. Install again .*\n$/,
  );
  worksWithout(tree);
});

function worksWithout(tree: Tree): void {
  const { code, out, err } = tree.all(
    ["options"],
    ["train", "--help"],
    ["--version"],
    ["inspect", path],
    ["plan", path],
  );
  assert.equal(code, 0, `${out}\n${err}`);
  assert.match(out, /^train +runs: /m);
  assert.match(out, /^Training: it cannot be computed here\. /m);
}
