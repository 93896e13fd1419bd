/** @file The command line as it is installed, beside packages of which some are others. */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Said, V8 } from "./cli.ts";
import { scratch } from "./students.ts";

const MODULES = resolve("node_modules");

export type Tree = {
  /** The folder of a package that may be changed. */
  package(name: string): string;
  distill(...args: string[]): Said;
  /** What several command lines say in one process, up to the first that fails. */
  all(...lines: string[][]): Said;
  /** What opening a device says, as a command would. */
  openDevice(name: string): Said;
};

const ALL = `(async () => {
const { commandLine } = await import("./dist/command-line.js");
for (const args of JSON.parse(process.argv[1])) {
  process.exitCode = await commandLine(args, new AbortController().signal);
  if (process.exitCode) break;
}
})()`;

const OPEN = `(async () => {
const [{ DistillError }, { openDevice }] = [await import("./dist/core/errors.js"), await import("./dist/runtime/device.js")];
await openDevice(process.argv[1]).catch((error) => {
  console.error(error instanceof DistillError ? \`Error: \${error.message}\` : error);
  process.exitCode = 1;
});
})()`;

/** A tree whose packages are this one's, but for copies of `own` without the files that `without` names. */
export function packageTree(own: readonly string[], without: (path: string) => boolean = () => false): Tree {
  const root = scratch();
  const modules = join(root, "node_modules");
  cpSync(resolve(import.meta.dirname, "../../src"), join(root, "dist"), { recursive: true });
  for (const name of ["package.json", "data", "recipes"]) symlinkSync(resolve(name), join(root, name));
  for (const name of packages()) {
    if (own.includes(name)) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(MODULES, name), join(modules, name));
  }
  for (const name of own)
    cpSync(join(MODULES, name), join(modules, name), { recursive: true, filter: (path) => !without(path) });
  const run = (...args: string[]): Said => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...V8, ...args], { encoding: "utf8", cwd: root });
    return { code: status, out: stdout, err: stderr };
  };
  return {
    package: (name) => join(modules, name),
    distill: (...args) => run(join(root, "dist/cli.js"), ...args),
    all: (...lines) => run("-e", ALL, JSON.stringify(lines)),
    openDevice: (name) => run("-e", OPEN, name),
  };
}

/** The names of all packages, those of scopes too. */
const packages = (): string[] =>
  readdirSync(MODULES)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@") ? readdirSync(join(MODULES, name)).map((inner) => join(name, inner)) : [name],
    );
